"""Writes logits.json: what PyTorch answers with the shipped weights, for tests/shipped.rs.

The net is defined here once more, in plain PyTorch, and loads the shipped weights by name.
Usage, from the repository, with the project's Python: python tests/golden/make.py
"""

import json
import struct
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
MODELS = HERE.parent.parent / "models"
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    body = raw[8 + length :]
    tensors = {}
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(bytearray(body[begin:end]), dtype=DTYPES[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


class Block(nn.Module):
    def __init__(self, inputs, outputs, inner, stride):
        super().__init__()
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(c) for c in (inputs, inner, inner))
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        y = self.conv3(F.relu(self.bn3(y)))
        return y + (self.shortcut(x) if hasattr(self, "shortcut") else x)


class Group(nn.Module):
    def __init__(self, inputs, outputs, blocks, bottleneck, stride):
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(inputs if b == 0 else outputs, outputs, outputs // bottleneck, stride if b == 0 else 1)
            for b in range(blocks)
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        y = x
        for block in self.blocks:
            y = block(y)
        return y + self.shortcut(x)


class Ror(nn.Module):
    def __init__(self, net):
        super().__init__()
        widths = net["widths"]
        self.pool = net["pool"]
        self.stem = nn.Conv2d(3, widths[0], 7, net["stem_stride"], padding=3, bias=False)
        self.groups = nn.ModuleList(
            Group(widths[max(g - 1, 0)], widths[g], net["blocks"][g], net["bottleneck"], 1 if g == 0 else 2)
            for g in range(4)
        )
        self.root = nn.Conv2d(widths[0], widths[3], 1, 8, bias=False)
        self.bn = nn.BatchNorm2d(widths[3])
        self.dense = nn.Linear(widths[3], net["dense"])
        self.head = nn.Linear(net["dense"], net["outputs"])

    def forward(self, x):
        stem = F.max_pool2d(self.stem(x), 3, self.pool, 1)
        x = stem
        for group in self.groups:
            x = group(x)
        x = F.relu(self.bn(x + self.root(stem))).mean((2, 3))
        return self.head(F.relu(self.dense(x)))


def main():
    golden = {}
    for card in sorted(MODELS.glob("*.json")):
        card = json.loads(card.read_text())
        net, side = card["net"], card["net"]["input"]
        if net["architecture"] != "ror":
            continue
        model = Ror(net)
        missing, unexpected = model.load_state_dict(read_safetensors(MODELS / card["weights"]), strict=False)
        assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
        model.eval()
        # The picture of tests/shipped.rs: every level, in no order of space.
        pixels = (torch.arange(2 * side * side * 3) * 7919 % 256).reshape(2, side, side, 3)
        with torch.no_grad():
            logits = model(((pixels.float() - 127.5) / 64).permute(0, 3, 1, 2))
        golden[card["weights"]] = logits.tolist()
    (HERE / "logits.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
