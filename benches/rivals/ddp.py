"""Times training steps of torchrun's ranks in PyTorch, by DistributedDataParallel over Gloo: ddp.py CARD SIZE BATCH STEPS

BATCH is of all ranks together. Rank 0 reports.
"""

import json
import statistics
import sys
import time

import torch
import torch.distributed as dist
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from precision import autocast
from report import report
from ror import Ror

card, size, batch, steps = sys.argv[1], *map(int, sys.argv[2:5])
dist.init_process_group("gloo")
batch //= dist.get_world_size()
torch.manual_seed(0)
net = Ror(json.load(open(card))).to(memory_format=torch.channels_last).train()
decayed = [p for p in net.parameters() if p.dim() > 1]
others = [p for p in net.parameters() if p.dim() <= 1]
groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
optimiser = torch.optim.AdamW(groups, lr=1e-3, fused=True)
pictures = torch.randint(0, 256, (4 * batch, size, size, 3), dtype=torch.uint8)
targets = torch.rand(4 * batch, net.head.out_features)
run = DistributedDataParallel(net)

seconds = []
for i in range(steps + 3):
    at = (i % 4) * batch
    start = time.perf_counter()
    with autocast():
        logits = run(pictures[at : at + batch])
    loss = F.binary_cross_entropy_with_logits(logits.float(), targets[at : at + batch])
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    if i >= 3:
        seconds.append(time.perf_counter() - start)
if dist.get_rank() == 0:
    report("torch", how="DistributedDataParallel", seconds=statistics.median(seconds))
dist.destroy_process_group()
