"""Photographs answered over HTTP as is usual in Python: FastAPI and uvicorn, a process a core.

    CARD=pretrained-both uvicorn --app-dir benches/rivals serve:app --workers 2
"""

import io
import os

import torch
from fastapi import FastAPI, Request

from photo import Photographs

torch.set_num_threads(1)
app = FastAPI()
ready = Photographs(os.environ["CARD"])


@app.post("/v1/predict")
async def predict(request: Request) -> dict:
    faces = ready.answer(io.BytesIO(await request.body()))
    return {"faces": [{"female": female, "age": age} for female, age in faces]}
