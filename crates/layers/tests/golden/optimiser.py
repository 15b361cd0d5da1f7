"""Writes optimiser.json: steps of PyTorch's AdamW and of a running average, for src/train/adamw.rs.

    python tests/golden/optimiser.py
"""

import json
from pathlib import Path

import torch

torch.manual_seed(0)
START, DECAYED, WEIGHT_DECAY, EMA = torch.randn(6), 4, 0.05, 0.9
RATES = [1e-3, 2e-3, 2e-3, 5e-4, 0.02, 1e-3, 1e-3, 1e-4, 1e-3, 2e-3]

decaying = torch.nn.Parameter(START[:DECAYED].clone())
others = torch.nn.Parameter(START[DECAYED:].clone())
adamw = torch.optim.AdamW(
    [{"params": [decaying], "weight_decay": WEIGHT_DECAY}, {"params": [others], "weight_decay": 0.0}],
    betas=(0.9, 0.999),
    eps=1e-8,
)
average = torch.optim.swa_utils.AveragedModel(
    torch.nn.ParameterList([decaying, others]),
    avg_fn=lambda mean, now, n: mean + (now - mean) * (1 - min(EMA, (1 + float(n)) / (10 + float(n)))),
)
average.n_averaged += 1  # the average starts at the first weights

golden = {"start": START.tolist(), "decayed": DECAYED, "weight_decay": WEIGHT_DECAY, "rates": RATES, "ema": EMA}
golden |= {"gradients": [], "parameters": [], "average": []}
for step, rate in enumerate(RATES, 1):
    gradient = torch.randn(6) * (0.1 if step % 3 else 3.0)
    decaying.grad, others.grad = gradient[:DECAYED].clone(), gradient[DECAYED:].clone()
    for group in adamw.param_groups:
        group["lr"] = rate
    adamw.step()
    average.update_parameters(torch.nn.ParameterList([decaying, others]))
    golden["gradients"].append(gradient.tolist())
    golden["parameters"].append(torch.cat([decaying, others]).tolist())
    golden["average"].append(torch.cat(list(average.module)).tolist())

path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
