"""Answers for all pictures of a folder by PyTorch: python predict_folder.py CARD FOLDER

As ours: decoded, resized, the picture and its mirror image through the net, the mean of their probabilities.
A DataLoader with a worker a core decodes; the net runs in bf16 (see precision.py), channels last, batches of 128.
"""

import os
import sys
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import pil_to_tensor

from precision import autocast
from report import report
from ror import Ror


class Folder(Dataset):
    def __init__(self, folder: str, side: int):
        self.paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        self.side = side

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index: int):
        with Image.open(self.paths[index]) as picture:
            small = picture.convert("RGB").resize((self.side, self.side), Image.LANCZOS)
        return pil_to_tensor(small).permute(1, 2, 0)


if __name__ == "__main__":
    start = time.perf_counter()
    card, folder = sys.argv[1:3]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Ror.from_pretrained(card).to(device)
    workers = os.cpu_count()
    loader = DataLoader(Folder(folder, net.side), batch_size=128, num_workers=workers)
    females, years = [], []
    with torch.inference_mode():
        for pictures in loader:
            with autocast(device):
                logits = net.mirrored_logits(pictures.to(device))
            read = net.read(logits.float())
            females.append(read["female"])
            years.append(read["age"])
    female, years = torch.cat(females), torch.cat(years)
    seconds = time.perf_counter() - start
    report(
        "torch", "torchvision", seconds=seconds, workers=workers,
        pictures=len(female), female=female.mean().item(), years=years.mean().item(),
    )
