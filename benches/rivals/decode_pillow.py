"""Decodes and resizes a folder of pictures as the original notebook does: python decode_pillow.py FOLDER SIZE"""

import os
import sys
import time

import numpy as np
from PIL import Image

from report import report

folder, size = sys.argv[1], int(sys.argv[2])
start = time.perf_counter()
names = sorted(os.listdir(folder))
pictures = np.empty((len(names), size, size, 3), dtype=np.uint8)
for i, name in enumerate(names):
    with Image.open(os.path.join(folder, name)) as picture:
        pictures[i] = picture.convert("RGB").resize((size, size), Image.LANCZOS)
seconds = time.perf_counter() - start
report("pillow", seconds=seconds, pictures=len(names), level=float(pictures.mean()))
