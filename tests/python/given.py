"""What tests/python.rs hands to the scripts here: pictures, and what the crate says of them."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

REACH = 1e-4  # of a logit or a probability, in f32
YEARS = 1e-3  # of an expected age, which adds 117 probabilities times up to 116 years


def need(*modules: str) -> None:
    """Ends with the status of a skipped test where a module is missing."""
    missing = sorted({module for module in modules if find_spec(module) is None})
    if missing:
        print(f"{sys.executable} has no {' and no '.join(missing)}")
        sys.exit(77)


class Given:
    """The folder of a net: pictures `[n, side, side, 3]`, logits `[n, outputs]`, and by head what is read from them."""

    def __init__(self, folder: Path):
        said = json.loads((folder / "said.json").read_text())
        side, self.heads = said["side"], said["heads"]
        self.pictures = np.fromfile(folder / "pictures", dtype=np.uint8).reshape(-1, side, side, 3)
        self.logits = np.fromfile(folder / "logits", dtype="<f4").reshape(len(self.pictures), -1)
        gender = self.heads.get("gender")
        self.female = None if gender is None else np.array(gender["probabilities"])[:, 1]
        age = next((head for name, head in self.heads.items() if name != "gender"), None)
        self.age = None if age is None else np.array(age["years"])
        self.groups = None if age is None else np.array(age["probabilities"])


def apart(ours, theirs, reach: float, what: str) -> float:
    """How far two arrays are apart; ends the test where that is too far."""
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    assert ours.shape == theirs.shape, f"{what}: shapes {ours.shape} and {theirs.shape}"
    most = float(np.abs(ours - theirs).max())
    assert most <= reach, f"{what}: {most:.1e} apart, at most {reach:.0e} is allowed"
    return most
