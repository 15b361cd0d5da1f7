"""The same by onnxruntime, without PyTorch: python examples/python/with_onnxruntime.py FOLDER PICTURE...

FOLDER is what `./ror export pretrained-both --to FOLDER --format onnx` writes.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

folder, *paths = sys.argv[1:]
net = onnxruntime.InferenceSession(f"{folder}/model.onnx")
_, height, width, _ = net.get_inputs()[0].shape
pictures = [Image.open(path).convert("RGB").resize((width, height), Image.LANCZOS) for path in paths]
females, ages = net.run(["female", "age"], {"pictures": np.stack(pictures)})
for path, female, age in zip(paths, females, ages):
    print(f"{path}: {'female' if female > 0.5 else 'male'}, {age:.0f} years")
