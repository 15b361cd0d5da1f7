"""Times training steps of the same net in PyTorch: python train.py CARD SIZE BATCH STEPS MODE

MODE is `eager` or `compile`. A step is what ours is: logits in bf16 (autocast, see precision.py), loss in f32, gradients, AdamW.
"""

import json
import statistics
import sys
import time

import torch
from torch.nn import functional as F

from precision import autocast
from report import report
from ror import Ror

card, size, batch, steps, mode = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
net = Ror(json.load(open(card))).to(device, memory_format=torch.channels_last).train()
decayed = [p for p in net.parameters() if p.dim() > 1]
others = [p for p in net.parameters() if p.dim() <= 1]
groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
optimiser = torch.optim.AdamW(groups, lr=1e-3, fused=True)
pictures = torch.randint(0, 256, (4 * batch, size, size, 3), dtype=torch.uint8, device=device)
targets = torch.rand(4 * batch, net.head.out_features, device=device)
run = torch.compile(net) if mode == "compile" else net


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def step(i: int) -> float:
    at = (i % 4) * batch
    with autocast(device):
        logits = run(pictures[at : at + batch])
    loss = F.binary_cross_entropy_with_logits(logits.float(), targets[at : at + batch])
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


seconds = []
for i in range(steps + 3):
    wait()
    start = time.perf_counter()
    step(i)
    wait()
    if i >= 3:
        seconds.append(time.perf_counter() - start)
parameters = sum(p.numel() for p in net.parameters())
report("torch", how=mode, seconds=statistics.median(seconds), parameters=parameters)
