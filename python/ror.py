"""The RoR networks of this project in PyTorch. They load the same weights and predict like `ror predict --aligned`.

    from ror import Ror

    net = Ror.from_pretrained("pretrained-both")
    print(net.predict(["face.jpg"]))

Requires torch and numpy; Pillow for files and for images of another size; huggingface_hub for networks on the hub;
onnx and onnxscript for `python ror.py NAME FILE.onnx`, which writes a network as ONNX.
"""

import hashlib
import io
import json
import os
import re
import struct
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

try:
    from huggingface_hub import PyTorchModelHubMixin as Hub
except ImportError:
    Hub = object

OPSET = 23  # the newest opset that torch 2.11 writes
CONFIG = ("net", "task", "temperatures")  # the keys from which a network is built
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


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
        y = F.relu(self.bn3(y), inplace=True)
        if self.training and self.survival < 1:
            keep = torch.empty(len(y), 1, 1, 1, dtype=y.dtype, device=y.device).bernoulli_(self.survival)
            y = y * (keep / self.survival)
        return self.conv3(y) + (x if self.shortcut is None else self.shortcut(x))


class Group(nn.Module):
    """A sequence of blocks with a middle shortcut around it."""

    def __init__(self, inputs: int, outputs: int, inner: int, stride: int, survivals: list[float], shortcut: bool):
        super().__init__()
        self.shortcut = conv(inputs, outputs, 1, stride) if shortcut else None
        self.blocks = nn.ModuleList(
            Block(inputs if i == 0 else outputs, outputs, inner, stride if i == 0 else 1, survival)
            for i, survival in enumerate(survivals)
        )

    def forward(self, x):
        y = x
        for block in self.blocks:
            y = block(y)
        return y if self.shortcut is None else y + self.shortcut(x)


class Ror(nn.Module, Hub):
    """A network. `config` is a card in `models/` or the `config.json` of an exported folder."""

    def __init__(self, config: dict):
        super().__init__()
        net, self.task, self.temperatures = (config[key] for key in CONFIG)
        self.config = dict(zip(CONFIG, (net, self.task, self.temperatures)))
        if net["architecture"] not in LAYERS:
            raise ValueError(f"unknown architecture {net['architecture']}: ror.py supports {' and '.join(LAYERS)}")
        self.side = net["input"]
        LAYERS[net["architecture"]].make(self, net)

    def forward(self, pictures):
        """Returns the logits `[n, outputs]` of images `[n, side, side, 3]`, 0 to 255."""
        x = ((pictures.float() - 127.5) / 64).permute(0, 3, 1, 2)
        return LAYERS[self.config["net"]["architecture"]].forward(self, x)

    @classmethod
    def from_pretrained(cls, name, **hub) -> "Ror":
        """Loads a network in f32, ready to predict. `name` is the name of a model (in $ROR_MODELS, or in `models/` next
        to this file's folder), a card, an exported folder, or a model on the hub (OWNER/NAME; needs huggingface_hub,
        whose loader gets the arguments `hub`).
        """
        here, models = Path(name), Path(os.environ.get("ROR_MODELS", Path(__file__).parent.parent / "models"))
        for path in (here, here / "config.json", models / f"{name}.json", models / "runs" / name / "card.json"):
            if path.suffix == ".json" and path.is_file():
                try:
                    card = json.loads(path.read_text(encoding="utf-8"))
                    net = cls({key: card[key] for key in CONFIG})
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f"{path} does not describe a network of ror.py: {error!r}") from error
                weights = path.with_name(card.get("weights", "model.safetensors"))
                net.load_state_dict(read_safetensors(weights, card.get("weights_sha256")))
                # Images are channels last too.
                return net.to(memory_format=torch.channels_last).eval()
        if Hub is not object and "/" in str(name):
            return super().from_pretrained(name, **hub)
        names = ", ".join(sorted(path.stem for path in models.glob("*.json")))
        raise FileNotFoundError(f"no network {name} in {models.resolve()}: choose from {names or 'none'}")

    def predict(self, pictures, batch: int = 32) -> list[dict]:
        """Predicts aligned crops, and returns the fields of `ror predict --aligned --json` for each. Each of `pictures`
        is a file, a Pillow image, or a uint8 array `[height, width, 3]`.
        """
        if isinstance(pictures, (str, os.PathLike)):
            raise TypeError("predict needs a list of images, such as predict(['face.jpg'])")
        if self.training:
            raise RuntimeError("the network is in training mode, which drops layers at random: call eval() first")
        pictures, faces = list(pictures), []
        for at in range(0, len(pictures), batch):
            chips = np.stack([chip(picture, self.side) for picture in pictures[at : at + batch]])
            with torch.inference_mode():
                logits = self.mirrored_logits(torch.from_numpy(chips).to(self.head.weight.device))
                read = {key: value.tolist() for key, value in self.read(logits.cpu().double()).items()}
            faces += [self.face(dict(zip(read, values))) for values in zip(*read.values())]
        return faces

    def mirrored_logits(self, pictures):
        """Returns the logits `[2, n, outputs]` of images and of their mirror images."""
        return self(torch.cat([pictures, pictures.flip(2)])).unflatten(0, (2, -1))

    def read(self, logits) -> dict:
        """Converts logits `[ways, n, outputs]` to predictions for n images, averaged over `ways`: `female`, the
        probability of female; `ages`, the probability of each age or group; `age`, the expected age in years.
        """
        found, temperatures = {}, iter(self.temperatures)
        if self.task in ("gender", "both"):
            found["female"] = (logits[..., 0] / next(temperatures)).sigmoid().mean(0)
        if self.task != "gender":
            from_ = 1 if self.task == "both" else 0
            found["ages"] = (logits[..., from_:] / next(temperatures)).softmax(-1).mean(0)
            found["age"] = found["ages"] @ torch.tensor(self.ages, dtype=logits.dtype, device=logits.device)
        return found

    @property
    def gap(self) -> int:
        """Width of an age group in years."""
        return self.task["age_group"]["gap"] if isinstance(self.task, dict) else 5

    @property
    def oldest(self) -> int:
        """The highest age that the network distinguishes."""
        return 60 if isinstance(self.task, dict) else 116

    @property
    def ages(self) -> list[float]:
        """The age of each age output: the year, or the middle of a group."""
        if isinstance(self.task, dict):
            return [self.gap * (group + 0.5) + 0.5 for group in range(len(self.age_groups))]
        return [float(age) for age in range(self.oldest + 1)]

    @property
    def age_groups(self) -> list[str]:
        """The names of the age groups: `0-5`, `6-10`, ..."""
        groups = range(-(-self.oldest // self.gap))
        last = self.oldest if isinstance(self.task, dict) else 1000
        return [f"{self.gap * i + (i > 0)}-{min(self.gap * (i + 1), last)}" for i in groups]

    def group_of(self, age: int) -> int:
        """Returns the group (from 0) of an age."""
        return max(min(age, self.oldest) - 1, 0) // self.gap

    def face(self, read: dict) -> dict:
        """Returns the fields of one image."""
        face = {}
        if "female" in read:
            face |= {"gender": "female" if read["female"] > 0.5 else "male", "female": read["female"]}
        if "ages" in read:
            names, groups = self.age_groups, read["ages"]
            if not isinstance(self.task, dict):
                groups = [0.0] * len(names)
                for age, probability in enumerate(read["ages"]):
                    groups[self.group_of(age)] += probability
            group = self.group_of(round(read["age"]))
            face |= {"age": read["age"], "age_range": [self.quantile(groups, share) for share in (0.1, 0.9)]}
            face |= {"group": group, "age_group": names[group], "groups": list(zip(names, groups))}
        return face

    def quantile(self, groups: list[float], share: float) -> float:
        """Returns a quantile of the age from a distribution over groups, with uniform ages within a group."""
        below = 0.0
        for i, own in enumerate(groups):
            if below + own >= share:
                first, last = self.gap * i + 0.5 if i else -0.5, self.gap * (i + 1) + 0.5
                return max(first + (share - below) / max(own, 1e-12) * (last - first), 0.0)
            below += own
        return float(self.gap * len(groups))

    def to_onnx(self, path) -> None:
        """Writes the network and `read` as ONNX. The input `pictures` is a uint8 array `[n, side, side, 3]`. The
        outputs are `logits` (without mirror images), `female`, `ages` and `age`.
        """
        try:
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"{sys.executable} lacks {error.name}, which PyTorch needs to write ONNX: pip install onnx onnxscript "
                "(versions: examples/python/requirements.txt)"
            ) from None
        whole = Whole(self).eval()
        program = torch.onnx.export(
            whole,
            (torch.zeros(2, self.side, self.side, 3, dtype=torch.uint8, device=self.head.weight.device),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["pictures"],
            output_names=whole.names,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
        program.model.producer_name = "ror"
        program.model.metadata_props["config"] = json.dumps(self.config)
        for part in (program.model.graph, *program.model.graph):
            part.metadata_props.clear()  # PyTorch's notes on the source code
        program.save(path, external_data=False)


class Scratch:
    """RoR trained from random weights, as in the paper's figure 2 (src/model/ror.rs)."""

    @staticmethod
    def make(self, net: dict):
        widths, blocks = net["widths"], net["blocks"]
        last, number, inputs, groups = sum(blocks), 0, widths[0], []
        for g, (width, count) in enumerate(zip(widths, blocks)):
            survivals = [1 - (1 - net["survival"]) * (number + i + 1) / last for i in range(count)]
            stride, inner = 1 if g == 0 else 2, width // net["bottleneck"]
            groups.append(Group(inputs, width, inner, stride, survivals, net["middle_shortcuts"]))
            number, inputs = number + count, width
        self.stem = conv(3, widths[0], 7, net["stem_stride"])
        self.pool = nn.MaxPool2d(3, net["pool"], 1)
        self.groups = nn.ModuleList(groups)
        self.root = conv(widths[0], inputs, 1, 8) if net["root_shortcut"] else None
        self.bn = nn.BatchNorm2d(inputs)
        self.dense = nn.Linear(inputs, net["dense"])
        self.dropout = nn.Dropout(net["dropout"])
        self.head = nn.Linear(net["dense"], net["outputs"])

    @staticmethod
    def forward(self, x):
        stem = x = self.pool(self.stem(x))
        for group in self.groups:
            x = group(x)
        if self.root is not None:
            x = x + self.root(stem)
        x = F.relu(self.bn(x), inplace=True).mean((2, 3))
        return self.head(self.dropout(F.relu(self.dense(x))))


class PretrainedBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut. `forward` returns the sum before its ReLU."""

    def __init__(self, inputs: int, outputs: int, down: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 0) if down else nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.down = down

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        if self.down:
            x = F.avg_pool2d(x, 2)
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return y + x


class PretrainedGroup(nn.Module):
    """A sequence of blocks with a middle shortcut around it."""

    def __init__(self, inputs: int, outputs: int, blocks: int, down: bool, shortcut: bool):
        super().__init__()
        self.blocks = nn.ModuleList(
            PretrainedBlock(inputs if i == 0 else outputs, outputs, down and i == 0) for i in range(blocks)
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if shortcut else None
        self.down = down

    def forward(self, x, root=None):
        y = x
        for block in self.blocks[:-1]:
            y = F.relu(block(y))
        y = self.blocks[-1](y)
        if self.shortcut is not None:
            y = y + self.shortcut(F.avg_pool2d(x, 2) if self.down else x)
        return F.relu(y if root is None else y + root)


class Pretrained:
    """RoR around a face-recognition network (src/model/pretrained_ror.rs)."""

    WIDTHS, BLOCKS, MARGIN = (32, 64, 128, 256, 256), (3, 4, 3, 3, 1), 0.035

    @staticmethod
    def make(self, net: dict):
        widths, inputs, groups = Pretrained.WIDTHS, 32, []
        for g, (width, count) in enumerate(zip(widths, Pretrained.BLOCKS)):
            groups.append(PretrainedGroup(inputs, width, count, g > 0, net["middle_shortcuts"]))
            inputs = width
        features = sum(widths) + 4 * inputs
        margin = int(net["input"] * Pretrained.MARGIN + 0.5)
        self.margin = nn.ReplicationPad2d(margin)
        self.stem = nn.Conv2d(3, widths[0], 7, 2)
        self.groups = nn.ModuleList(groups)
        self.root = nn.Conv2d(widths[0], inputs, 1, bias=False) if net["root_shortcut"] else None
        self.features = nn.BatchNorm1d(features)
        self.feature_dropout = nn.Dropout(net["feature_dropout"])
        self.dense = nn.Linear(features, net["hidden"])
        self.bn = nn.BatchNorm1d(net["hidden"])
        self.dropout = nn.Dropout(net["dropout"])
        self.head = nn.Linear(net["hidden"], net["outputs"])

    @staticmethod
    def forward(self, x):
        stem = x = F.max_pool2d(F.relu(self.stem(self.margin(x))), 3, 2)
        features, last = [], len(self.groups) - 1
        for g, group in enumerate(self.groups):
            has_root = self.root is not None and g == last
            x = group(x, self.root(F.avg_pool2d(stem, 16)) if has_root else None)
            features.append(x.mean((2, 3)))
        x = self.features(torch.cat([*features, x.flatten(1)], 1))
        x = F.gelu(self.bn(self.dense(self.feature_dropout(x))))
        return self.head(self.dropout(x))


LAYERS = {"ror": Scratch, "pretrained_ror": Pretrained}


class Whole(nn.Module):
    """A network together with `read`, for ONNX."""

    def __init__(self, net: Ror):
        super().__init__()
        self.net = net
        self.names = ["logits", *net.read(torch.zeros(1, 1, net.head.out_features))]

    def forward(self, pictures):
        logits = self.net.mirrored_logits(pictures)
        return logits[0], *self.net.read(logits).values()


def chip(picture, side: int) -> np.ndarray:
    """Returns an image as a uint8 array `[side, side, 3]`, resized like in the crate (Lanczos with three lobes)."""
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            raise ValueError(f"an array is {picture.dtype} {picture.shape}: images must be uint8 (height, width, 3)")
        if picture.shape[:2] == (side, side):
            return picture
    try:
        from PIL import Image, ImageOps
    except ImportError:
        needed = f"images other than arrays of {side} x {side} pixels need Pillow: pip install pillow"
        raise ImportError(needed) from None
    if isinstance(picture, (str, os.PathLike)):
        try:
            raw = Path(picture).read_bytes()
            with Image.open(io.BytesIO(raw)) as file:
                file.load()
                if raw.startswith(b"\xff\xd8"):
                    check_jpeg(raw)
                picture = rgb(ImageOps.exif_transpose(file))
        except OSError as error:
            raise OSError(f"cannot read {picture} as an image: {error}") from error
    else:
        picture = rgb(Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture)
    return np.asarray(picture.resize((side, side), Image.LANCZOS))


def rgb(picture):
    """Converts a Pillow image to RGB as the crate does: 16-bit gray to 8 bits, transparent pixels to white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # convert() would clip it to white
        levels = np.clip(np.asarray(picture), 0, 65535).astype(np.uint32)
        picture = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def check_jpeg(data: bytes) -> None:
    """Raises an OSError unless a JPEG has its whole image, and nothing else up to its end marker: Pillow fills up what
    is missing. Reads the Huffman codes of every scan, as the crate does (crates/imaging/src/scan.rs).
    """
    try:
        read_segments(data)
    except (LookupError, TypeError, ValueError, struct.error) as error:
        raise OSError(f"the JPEG is damaged or truncated: {error or 'its data ends early'}") from error


def read_segments(data: bytes) -> None:
    """Reads all of a JPEG up to its end marker."""
    at, restart, frame, tables, missing = 2, 0, None, {}, {}
    while True:
        start = at
        while data[at : at + 1] == b"\xff":
            at += 1
        marker, at = data[at] if start < at < len(data) else 0, at + 1
        if marker == 0xD9 and missing and not any(map(any, missing.values())):
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        segment, at = data[at + 2 : at + size], at + size
        if marker < 0xC0 or marker == 0xD9 or at > len(data):
            raise ValueError("a part of its image is missing")
        if marker == 0xDD:
            restart = int.from_bytes(segment, "big")
        elif marker == 0xC4:
            while segment:
                end = 17 + sum(segment[1:17])
                tables[segment[0]] = segment[1:17], segment[17:end]
                segment = segment[end:]
        elif marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", segment[1:5])
            parts = {segment[i]: (segment[i + 1] >> 4, segment[i + 1] & 15) for i in range(6, len(segment), 3)}
            frame, missing = (marker == 0xC2, width, height, parts, {}), {part: [99] * 64 for part in parts}
        elif marker == 0xDA:
            at = check_scan(data, at, segment, frame, tables, restart, missing)


# A step is how many bits it passes, plus this times how many coefficients: `END` for those up to a block's end, `NONE`
# where there is no code. A step is looked up by `WIDE` bits.
COEFFICIENT, END, NONE, WIDE = 1 << 40, 1 << 12, 1 << 13, 12


@lru_cache(16)
def huffman(counts: bytes, symbols: bytes):
    """For each 16 bits: the length of the code they begin with (0 for none), and its symbol."""
    lengths = np.repeat(np.arange(1, 17), list(counts))[: len(symbols)]
    symbols = np.frombuffer(symbols, np.uint8)[: len(lengths)]
    filled = [np.repeat(each.astype(np.uint8), 1 << 16 - lengths)[: 1 << 16] for each in (lengths, symbols)]
    return [np.pad(each, (0, (1 << 16) - len(each))) for each in filled]


def single(table, bits: int, is_ac: bool):
    """For each so many bits: the step over the code they begin with, and its value."""
    length, symbol = (each[:: 1 << 16 - bits].astype(np.int64) for each in table)
    run = np.where(symbol & 15 > 0, (symbol >> 4) + 1, np.where(symbol == 0xF0, 16, END)) if is_ac else 1
    return length + (symbol & 15) + COEFFICIENT * np.where((length > 0) & (length <= bits), run, NONE)


def followed(step, shorter):
    """Adds to each step the one by the bits that it leaves; `shorter` has those by n bits from `1 << n` on."""
    left = np.log2(len(step)).astype(int) - (step & COEFFICIENT - 1)
    left = np.where((left > 0) & (step < END * COEFFICIENT), left, 0)
    more = shorter[(1 << left) + (np.arange(len(step)) & (1 << left) - 1)]
    return step + np.where(more < NONE * COEFFICIENT, more, 0)


@lru_cache(16)
def steps(dc, ac):
    """The steps over as many codes as begin within `WIDE` bits, from a block's first and from a later coefficient on;
    and those over single codes, by 16 bits.
    """
    dc, ac, later = huffman(*dc), huffman(*ac), np.zeros(2 << WIDE, np.int64)
    for bits in range(1, WIDE + 1):
        later[1 << bits : 2 << bits] = followed(single(ac, bits, True), later)
    first = followed(single(dc, WIDE, False), later)
    found = first, later[1 << WIDE :], single(dc, 16, False), single(ac, 16, True)
    return [memoryview(each) for each in found]


def windows(raw: bytes, bits: int):
    """The next so many bits, up to 16, at each bit of `raw` except in its last two bytes."""
    own = np.frombuffer(raw, np.uint8).astype(np.uint32)
    three, found = own[:-2] << 16 | own[1:-1] << 8 | own[2:], np.empty((len(own) - 2, 8), np.uint16)
    for i in range(8):
        found[:, i] = three >> 24 - bits - i & (1 << bits) - 1
    return memoryview(found.reshape(-1))


def check_scan(data: bytes, at: int, header: bytes, frame, tables: dict, restart: int, missing: dict) -> int:
    """Reads a scan, notes what is still missing of each part, and returns where the next segment begins."""
    progressive, width, height, parts, nonzero = frame
    ids, used, rest = header[1 : 1 + 2 * header[0] : 2], header[2 : 2 + 2 * header[0] : 2], header[1 + 2 * header[0] :]
    first, last, high, low = (rest[0], rest[1], rest[2] >> 4, rest[2] & 15) if progressive else (0, 63, 0, 0)
    for part in ids:
        due = missing[part][first : last + 1]
        if set(due) != {high or 99} or high and high != low + 1 or first and missing[part][0] == 99:
            raise ValueError("a part of its image is missing or there twice")
        missing[part][first : last + 1] = [low] * len(due)
    wide, tall = (8 * max(factors) for factors in zip(*parts.values()))
    sizes = [parts[part] for part in ids]
    if len(ids) == 1:
        width, height, sizes = width * sizes[0][0], height * sizes[0][1], [(1, 1)]
    units = -(-width // wide) * -(-height // tall)
    pairs = [(tables.get(use >> 4), tables.get(16 + (use & 15))) for use in used]
    order = [pair for pair, (a, b) in zip(pairs, sizes) for _ in range(a * b)]
    blocks = nonzero.setdefault(ids[0], [0] * units) if first else None
    for done in range(0, units, restart or units):
        some = range(done, min(done + (restart or units), units))
        found = re.compile(rb"\xff+([\x01-\xfe])", re.S).search(data, at)
        if not found:
            raise ValueError("its end marker is missing")
        raw = data[at : found.start()].replace(b"\xff\x00", b"\xff") + bytes(3)
        if first:
            end = check_details(windows(raw, 16), huffman(*order[0][1]), range(first, last + 1), high, blocks, some)
        elif progressive and high:
            end = len(some) * len(order)
        elif progressive:
            end = check_firsts(windows(raw, 16), [single(huffman(*dc), 16, False) for dc, _ in order], len(some))
        else:
            end = check_blocks(raw, [steps(dc, ac) for dc, ac in order], len(some))
        padded = found[1] == b"\xd9" and not any(raw[-(-end // 8) :])
        if not -8 < end - 8 * len(raw) + 24 <= 0 and not (padded and end <= 8 * len(raw) - 24):
            raise ValueError("its data does not end with its image")
        at = found.end() - 2
        if some.stop < units:
            if found[1][0] != 0xD0 + done // restart % 8:
                raise ValueError("a restart marker is missing or out of order")
            at += 2
    return at


def check_firsts(bits, order, units: int) -> int:
    """Reads the first coefficient of each block, and returns the number of bits."""
    at, order = 0, [memoryview(table) for table in order]
    for _ in range(units):
        for table in order:
            at += table[bits[at]] - COEFFICIENT
            if at >= COEFFICIENT:
                raise ValueError("it has an impossible code")
    return at


def check_blocks(raw: bytes, order, units: int) -> int:
    """Reads whole blocks, and returns the number of bits."""
    bits, passed, full, end, at = windows(raw, WIDE), COEFFICIENT - 1, 64 * COEFFICIENT, END * COEFFICIENT, 0
    for _ in range(units):
        for first, later, dc, ac in order:
            # Above its bits, `at` counts this block's coefficients.
            before, at = at, at + first[bits[at]]
            while at < full:
                before, at = at, at + later[bits[at & passed]]
            if not (end <= at < end + full or at <= full + passed):
                # The step led beyond the block's end, or there was none: the same, code by code.
                at = before
                while at < full:
                    byte, bit = divmod(at & passed, 8)
                    window = int.from_bytes(raw[byte : byte + 3], "big") >> 8 - bit & 0xFFFF
                    at += (dc if at <= passed else ac)[window]
                if at >= NONE * COEFFICIENT:
                    raise ValueError("it has an impossible code")
                if full + passed < at < end:
                    raise ValueError("a block has too many coefficients")
            at &= passed
    return at


def check_details(bits, table, band: range, high: int, blocks: list[int], some: range) -> int:
    """Reads the coefficients `band` of some blocks, whose numbers are noted in `blocks`; returns the number of bits."""
    (lengths, symbols), at, empty, inside = map(memoryview, table), 0, 0, (1 << band.stop) - (1 << band.start)
    for block in some:
        k, known = band.start, blocks[block]
        while not empty and k < band.stop:
            length, symbol = lengths[bits[at]], symbols[bits[at]]
            at, run, size = at + length, symbol >> 4, symbol & 15
            if not length or high and size > 1:
                raise ValueError("it has an impossible code")
            if not size and run < 15:
                empty = (1 << run) + (bits[at] >> 16 - run)
                at += run
                break
            at += size
            if not high:
                k += run
            while high and (run or known >> k & 1):
                at, run, k = at + (known >> k & 1), run - (~known >> k & 1), k + 1
            if k >= band.stop:
                raise ValueError("a block has too many coefficients")
            blocks[block] |= (size > 0) << k
            k += 1
        if empty:
            at, empty = at + (known & inside & -1 << k).bit_count(), empty - 1
    if empty:
        raise ValueError("it has more blocks than the image")
    return at


def read_safetensors(path: Path, sha256: str | None = None) -> dict:
    """Reads the tensors in a file, and checks its SHA-256 if one is given."""
    raw = path.read_bytes()
    if sha256 and hashlib.sha256(raw).hexdigest() != sha256:
        raise ValueError(f"checksum mismatch in {path} (cut off or changed): download it again")
    try:
        (length,) = struct.unpack("<Q", raw[:8])
        entries, body = json.loads(raw[8 : 8 + length]), bytearray(raw[8 + length :])
        entries.pop("__metadata__", None)
        tensors = {}
        for name, entry in entries.items():
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(body[begin:end], dtype=DTYPES[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    except (ValueError, KeyError, struct.error, RuntimeError) as error:
        raise ValueError(f"{path} is not a safetensors file of weights (cut off?): {error}") from error
    return tensors


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python ror.py NAME FILE.onnx")
    try:
        Ror.from_pretrained(sys.argv[1]).to_onnx(sys.argv[2])
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
