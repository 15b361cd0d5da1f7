"""Writes the weights of the face detector, from the Python package `mtcnn` (MIT).

    python setup/detector.py FILE.safetensors

The package contains three Keras networks as pickled lists of arrays, in layer order. They are converted
to PyTorch's names and axis order.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import joblib
from safetensors_file import write

LAYERS = {
    "pnet": ["conv1", "prelu1", "conv2", "prelu2", "conv3", "prelu3", "box", "face"],
    "rnet": ["conv1", "prelu1", "conv2", "prelu2", "conv3", "prelu3", "dense", "prelu4", "box", "face"],
    "onet": ["conv1", "prelu1", "conv2", "prelu2", "conv3", "prelu3", "conv4", "prelu4", "dense", "prelu5", "box", "points", "face"],
}


def tensors() -> dict:
    package = Path(find_spec("mtcnn").submodule_search_locations[0])
    found = {}
    for net, layers in LAYERS.items():
        arrays = iter(joblib.load(package / "assets" / "weights" / f"{net}.lz4"))
        for layer in layers:
            weight = next(arrays)
            if layer.startswith("prelu"):
                found[f"{net}.{layer}.weight"] = weight.reshape(-1)
                continue
            # Keras' axes are height, width, in, out; or in, out.
            found[f"{net}.{layer}.weight"] = weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.transpose()
            found[f"{net}.{layer}.bias"] = next(arrays)
        if next(arrays, None) is not None:
            sys.exit(f"error: {net} in the package mtcnn has more layers than expected")
    return found


def main() -> None:
    write(Path(sys.argv[1]), tensors())


if __name__ == "__main__":
    main()
