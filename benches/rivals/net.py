"""The same RoR net in PyTorch, layer by layer under the same names, so that it loads our weights."""

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """A pre-activation bottleneck with stochastic depth."""

    def __init__(self, inputs: int, outputs: int, inner: int, stride: int, survival: float):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, inner, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(inner), conv(inner, inner, 3, stride)
        self.bn3, self.conv3 = nn.BatchNorm2d(inner), conv(inner, outputs, 1)
        self.shortcut = None if inputs == outputs and stride == 1 else conv(inputs, outputs, 1, stride)
        self.survival = survival

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x), inplace=True))
        y = self.conv2(F.relu(self.bn2(y), inplace=True))
        y = self.conv3(F.relu(self.bn3(y), inplace=True))
        if self.training and self.survival < 1:
            keep = torch.empty(len(y), 1, 1, 1, dtype=y.dtype, device=y.device).bernoulli_(self.survival)
            y = y * (keep / self.survival)
        return y + (x if self.shortcut is None else self.shortcut(x))


class Group(nn.Module):
    """A row of blocks, and the middle shortcut around it."""

    def __init__(self, inputs: int, outputs: int, inner: int, stride: int, survivals: list[float]):
        super().__init__()
        self.shortcut = conv(inputs, outputs, 1, stride)
        self.blocks = nn.ModuleList(
            Block(inputs if i == 0 else outputs, outputs, inner, stride if i == 0 else 1, survival)
            for i, survival in enumerate(survivals)
        )

    def forward(self, x):
        around = self.shortcut(x)
        for block in self.blocks:
            x = block(x)
        return x + around


class Ror(nn.Module):
    """`config` is the `net` of a card in models/."""

    def __init__(self, config: dict):
        super().__init__()
        widths, blocks = config["widths"], config["blocks"]
        last, number, inputs, groups = sum(blocks), 0, widths[0], []
        for g, (width, count) in enumerate(zip(widths, blocks)):
            survivals = [1 - (1 - config["survival"]) * (number + i + 1) / last for i in range(count)]
            groups.append(Group(inputs, width, width // config["bottleneck"], 1 if g == 0 else 2, survivals))
            number, inputs = number + count, width
        self.stem = conv(3, widths[0], 7, config["stem_stride"])
        self.pool = nn.MaxPool2d(3, config["pool"], 1)
        self.groups = nn.ModuleList(groups)
        self.root = conv(widths[0], inputs, 1, 8)
        self.bn = nn.BatchNorm2d(inputs)
        self.dense = nn.Linear(inputs, config["dense"])
        self.dropout = nn.Dropout(config["dropout"])
        self.head = nn.Linear(config["dense"], config["outputs"])

    def forward(self, x):
        stem = x = self.pool(self.stem(x))
        for group in self.groups:
            x = group(x)
        x = F.relu(self.bn(x + self.root(stem)), inplace=True).mean((2, 3))
        return self.head(self.dropout(F.relu(self.dense(x))))


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """u8 `[n, side, side, 3]` to f32 `[n, 3, side, side]` around 0, channels last in memory."""
    return ((pictures.float() - 127.5) / 64).permute(0, 3, 1, 2)


def load(config: dict, weights: str) -> Ror:
    from safetensors.torch import load_file

    net = Ror(config)
    missing, unexpected = net.load_state_dict({k: v.float() for k, v in load_file(weights).items()}, strict=False)
    assert not unexpected and all("num_batches_tracked" in name for name in missing), (missing, unexpected)
    return net.to(memory_format=torch.channels_last)
