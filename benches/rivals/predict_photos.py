"""Answers for a folder of photographs: python predict_photos.py CARD FOLDER

A process a core, each with a thread of its own for everything.
"""

import os
import statistics
import sys
import time
from multiprocessing import get_context

from report import report

ready = None


def prepare(card: str) -> None:
    global ready
    import torch

    from photo import Photographs

    torch.set_num_threads(1)
    ready = Photographs(card)


def answer(path: str) -> list[tuple[float, float]]:
    return ready.answer(path)


if __name__ == "__main__":
    start = time.perf_counter()
    card, folder = sys.argv[1:3]
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    workers = os.cpu_count()
    with get_context("spawn").Pool(workers, prepare, (card,)) as pool:
        faces = [face for photo in pool.imap(answer, paths, chunksize=16) for face in photo]
    seconds = time.perf_counter() - start
    report(
        "facenet-pytorch", "torch", seconds=seconds, workers=workers, photos=len(paths), faces=len(faces) / len(paths),
        female=statistics.fmean(female for female, _ in faces), years=statistics.fmean(years for _, years in faces),
    )
