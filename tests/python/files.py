"""Files as Pillow decodes and resizes them, beside the crate's own: python files.py PLACE NAME"""

import sys
from pathlib import Path

import numpy as np
from given import Given, need

need("PIL")
from ror import Ror  # noqa: E402

place, name = Path(sys.argv[1]), sys.argv[2]
given = Given(place / name)
faces = Ror.from_pretrained(name).predict(sorted((place / "files").iterdir()))
female = np.abs(np.array([face["female"] for face in faces]) - given.female)
age = np.abs(np.array([face["age"] for face in faces]) - given.age)
print(
    f"{name}, {len(faces)} files, read by Pillow beside the crate: difference of female {female.mean():.1e} in the "
    f"mean, {female.max():.1e} at most; of years {age.mean():.3f}, {age.max():.2f}"
)
assert female.mean() < 0.01 and age.mean() < 0.2, "Pillow's pictures are predicted otherwise"
