"""Photographs answered by facenet-pytorch's MTCNN and our net in PyTorch.

As ours: faces from 40 pixels on, the chip by a similarity onto the same template and bilinear, the
picture and its mirror image through the net in bf16 (see precision.py), the mean of their probabilities.
"""

import numpy as np
import torch
from facenet_pytorch import MTCNN
from PIL import Image, ImageOps
from torchvision.transforms.functional import pil_to_tensor

from precision import autocast
from ror import Ror

TEMPLATE = np.array([[60.21, 58.36], [138.79, 58.36], [99.50, 105.16], [64.39, 138.82], [134.61, 138.82]])


def chip(photo: Image.Image, points: np.ndarray) -> Image.Image:
    """The face as UTKFace's chips are cut."""
    from_, to = TEMPLATE.mean(0), points.mean(0)
    (x, y), (u, v) = (TEMPLATE - from_).T, (points - to).T
    spread = (x * x + y * y).sum()
    a, b = (x * u + y * v).sum() / spread, (x * v - y * u).sum() / spread
    left = to[0] - (a * from_[0] - b * from_[1])
    top = to[1] - (b * from_[0] + a * from_[1])
    return photo.transform((200, 200), Image.AFFINE, (a, -b, left, b, a, top), Image.BILINEAR)


class Photographs:
    def __init__(self, card: str):
        self.net = Ror.from_pretrained(card)
        self.detector = MTCNN(keep_all=True, min_face_size=40)

    @torch.inference_mode()
    def answer(self, path: str) -> list[tuple[float, float]]:
        """The probability that it is a woman, and the expected age, of each face."""
        with Image.open(path) as file:
            photo = ImageOps.exif_transpose(file).convert("RGB")
        _, _, points = self.detector.detect(photo, landmarks=True)
        if points is None:
            return []
        side = (self.net.side, self.net.side)
        chips = [chip(photo, face).resize(side, Image.LANCZOS) for face in points]
        chips = torch.stack([pil_to_tensor(face).permute(1, 2, 0) for face in chips])
        with autocast():
            logits = self.net.mirrored_logits(chips)
        read = self.net.read(logits.float())
        return list(zip(read["female"].tolist(), read["age"].tolist()))
