"""Writes arrays as a safetensors file, atomically."""

import json
import os
import struct
from pathlib import Path


def write(path: Path, tensors: dict) -> None:
    """Writes arrays as f32, sorted by name."""
    header, data = {}, b""
    for name, array in sorted(tensors.items()):
        raw = array.astype("<f4", order="C").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(struct.pack("<Q", len(text)) + text + data)
    os.replace(new, path)
