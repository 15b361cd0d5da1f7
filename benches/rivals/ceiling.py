"""How long a training step's arithmetic takes at the speed that the device reaches in large products: ceiling.py CARD SIZE BATCH

`seconds` over ours is the share of the measured ceiling that a step reaches.
"""

import json
import statistics
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from report import report
from ror import Ror

card, size, batch = sys.argv[1], *map(int, sys.argv[2:4])
device = "cuda" if torch.cuda.is_available() else "cpu"
side = 8192 if device == "cuda" else 1024
a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
seconds = []
for i in range(13):
    start = time.perf_counter()
    product = a @ b
    if device == "cuda":
        torch.cuda.synchronize()
    if i >= 3:
        seconds.append(time.perf_counter() - start)
speed = 2 * side**3 / statistics.median(seconds)
net = Ror(json.load(open(card))).to(device).train()
pictures = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, device=device)
with FlopCounterMode(display=False) as counter:
    net(pictures).sum().backward()
work = counter.get_total_flops()
report("torch", how="matmul in bf16", seconds=work / speed, tera_flops=speed / 1e12, step_giga_flops=work / 1e9)
