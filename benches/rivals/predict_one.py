"""Answers for single pictures by PyTorch, file to answer: python predict_one.py CARD TIMES FILE...

As ours: decoded, resized, the picture and its mirror image through the net in bf16, the mean of
their probabilities. Prints the median seconds of TIMES answers behind 20 that warm up.
"""

import json
import os
import statistics
import sys
import time

import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from net import load, normalise
from report import report

card, times, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
described = json.load(open(card))
config, (gender_t, age_t) = described["net"], described["temperatures"]
net = load(config, os.path.join(os.path.dirname(card), described["weights"])).eval()
ages = torch.arange(117).float()
seconds, females = [], []
with torch.inference_mode():
    for i in range(times + 20):
        start = time.perf_counter()
        with Image.open(files[i % len(files)]) as picture:
            small = picture.convert("RGB").resize((config["input"],) * 2, Image.LANCZOS)
        picture = pil_to_tensor(small).permute(1, 2, 0)[None]
        both = normalise(torch.cat([picture, picture.flip(2)]))
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(both)
        logits = logits.float().view(2, config["outputs"])
        female = (logits[:, 0] / gender_t).sigmoid().mean().item()
        years = ((logits[:, 1:] / age_t).softmax(-1).mean(0) @ ages).item()
        if i >= 20:
            seconds.append(time.perf_counter() - start)
            females.append(female)
report("torch", seconds=statistics.median(seconds), female=statistics.fmean(females))
