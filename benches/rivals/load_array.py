"""Loads the original's array of pictures, floats between 0 and 1: python load_array.py FILE [N SIZE]

With N and SIZE it first makes such a file.
"""

import sys
import time

import numpy as np

from report import report

path = sys.argv[1]
if len(sys.argv) > 2:
    n, size = map(int, sys.argv[2:4])
    pictures = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    np.save(path, pictures / 255)
else:
    start = time.perf_counter()
    pictures = np.load(path)
    seconds = time.perf_counter() - start
    report("numpy", seconds=seconds, pictures=len(pictures))
