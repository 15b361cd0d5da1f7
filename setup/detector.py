"""Writes the weights of the face detector for the crate, from the Python package `mtcnn` (MIT).

    python setup/detector.py FILE.safetensors

The package has three Keras nets as pickled lists of arrays, in order of their layers. Here they get
the names and the order of axes that PyTorch would give them.
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
            # Keras: height, width, in, out; or in, out.
            found[f"{net}.{layer}.weight"] = weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.transpose()
            found[f"{net}.{layer}.bias"] = next(arrays)
        if next(arrays, None) is not None:
            sys.exit(f"error: {net} of the package mtcnn has more layers than this program knows")
    return found


def main() -> None:
    write(Path(sys.argv[1]), tensors())


if __name__ == "__main__":
    main()
