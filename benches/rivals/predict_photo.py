"""Answers for single photographs, file to answer: python predict_photo.py CARD TIMES FOLDER

Prints the median seconds of TIMES answers behind 20 that warm up.
"""

import os
import statistics
import sys
import time

from photo import Photographs
from report import report

card, times, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
photographs = Photographs(card)
seconds, faces = [], []
for i in range(times + 20):
    start = time.perf_counter()
    answered = photographs.answer(files[i % len(files)])
    if i >= 20:
        seconds.append(time.perf_counter() - start)
        faces += answered
report(
    "facenet-pytorch", "torch", seconds=statistics.median(seconds), faces=len(faces) / times,
    female=statistics.fmean(female for female, _ in faces), years=statistics.fmean(years for _, years in faces),
)
