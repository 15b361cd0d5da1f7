"""Writes logits.json: what PyTorch answers with the shipped weights, for tests/shipped.rs.

The net is that of python/ror.py, in plain PyTorch. Usage, from the repository, with the project's Python:
python tests/golden/make.py
"""

import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "python"))
from ror import Ror  # noqa: E402


def main():
    golden = {}
    for path in sorted((ROOT / "models").glob("*.json")):
        card = json.loads(path.read_text())
        if card["net"]["architecture"] not in ("ror", "pretrained_ror"):
            continue
        net = Ror.from_pretrained(path)
        # The picture of tests/shipped.rs: every level, in no order of space.
        pixels = (torch.arange(2 * net.side * net.side * 3) * 7919 % 256).reshape(2, net.side, net.side, 3)
        with torch.inference_mode():
            golden[card["weights"]] = net(pixels).tolist()
    (HERE / "logits.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
