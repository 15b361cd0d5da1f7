"""Loads a folder of pictures as the original notebook does, and prints the seconds it took.

Usage: python pillow.py FOLDER SIZE
"""

import os
import sys
import time

import numpy as np
from PIL import Image

folder, size = sys.argv[1], int(sys.argv[2])
start = time.perf_counter()
names = sorted(os.listdir(folder))
pictures = np.empty((len(names), size, size, 3), dtype=np.uint8)
for i, name in enumerate(names):
    with Image.open(os.path.join(folder, name)) as picture:
        pictures[i] = picture.convert("RGB").resize((size, size), Image.LANCZOS)
seconds = time.perf_counter() - start
print(f"{seconds:.4f} {len(names)} {pictures.mean():.4f}")
