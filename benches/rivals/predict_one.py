"""Answers for single pictures by PyTorch, file to answer: python predict_one.py CARD TIMES FILE...

As ours: decoded, resized, the picture and its mirror image through the net in bf16 (see precision.py), the mean of
their probabilities. Prints the median seconds of TIMES answers behind 20 that warm up.
"""

import statistics
import sys
import time

import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from precision import autocast
from report import report
from ror import Ror

card, times, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
net = Ror.from_pretrained(card)
seconds, females = [], []
with torch.inference_mode():
    for i in range(times + 20):
        start = time.perf_counter()
        with Image.open(files[i % len(files)]) as picture:
            small = picture.convert("RGB").resize((net.side, net.side), Image.LANCZOS)
        picture = pil_to_tensor(small).permute(1, 2, 0)[None]
        with autocast():
            logits = net.mirrored_logits(picture)
        read = net.read(logits.float())
        female, _ = read["female"].item(), read["age"].item()
        if i >= 20:
            seconds.append(time.perf_counter() - start)
            females.append(female)
report("torch", seconds=statistics.median(seconds), female=statistics.fmean(females))
