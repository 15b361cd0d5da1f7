"""Gender and age of cropped and aligned faces, by PyTorch: python examples/python/pytorch.py PICTURE..."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "python"))
from ror import Ror  # noqa: E402

net = Ror.from_pretrained("pretrained-both")
for path, face in zip(sys.argv[1:], net.predict(sys.argv[1:])):
    low, high = face["age_range"]
    print(f"{path}: {face['gender']}, {face['age']:.0f} years (80 %: {low:.0f} to {high:.0f})")
