"""Times torch.distributed's all-reduce of 2.7 million numbers between torchrun's ranks: all_reduce.py TIMES"""

import statistics
import sys
import time

import torch
import torch.distributed as dist

from report import report

times = int(sys.argv[1])
dist.init_process_group("gloo")
gradient = torch.zeros(2_736_822)
seconds = []
for i in range(times + 5):
    start = time.perf_counter()
    dist.all_reduce(gradient)
    if i >= 5:
        seconds.append(time.perf_counter() - start)
if dist.get_rank() == 0:
    report("torch", how="torch.distributed", seconds=statistics.median(seconds))
dist.destroy_process_group()
