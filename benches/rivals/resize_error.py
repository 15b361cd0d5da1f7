"""How far resized pictures are from Pillow's: python resize_error.py FOLDER SIZE CACHE

CACHE is the project's file of resized pictures: 8 bytes, then a byte a value, in order of the names. Prints a
line of CSV: size, mean and largest difference in levels of 255, shares of values apart by more than 1 and 3.
"""

import os
import sys

import numpy as np
from PIL import Image

folder, size, cache = sys.argv[1], int(sys.argv[2]), sys.argv[3]
names = sorted(os.listdir(folder), key=os.fsencode)
ours = np.fromfile(cache, dtype=np.uint8, offset=8).reshape(len(names), size, size, 3)
counts = np.zeros(256, dtype=np.int64)
for name, mine in zip(names, ours):
    with Image.open(os.path.join(folder, name)) as picture:
        theirs = np.asarray(picture.convert("RGB").resize((size, size), Image.LANCZOS))
    counts += np.bincount(np.abs(mine.astype(np.int16) - theirs).ravel(), minlength=256)
levels, n = np.arange(256), counts.sum()
print(
    f"{size},{(counts * levels).sum() / n:.4f},{levels[counts > 0].max()},"
    f"{counts[2:].sum() / n:.5f},{counts[4:].sum() / n:.6f}"
)
