"""Trains a small net by three seeds on one process and on two ranks, each of which normalises its own
half of a batch, and writes what validation says of both: benches/ranks.csv.

    ROR_DATA=... .venv/bin/python benches/ranks.py [FOLDER]

Nets are kept in FOLDER, by default target/ranks, and loaded where they are there. About ten minutes.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRAIN = [str(ROOT / "ror"), "train", "gender", "--net", "small", "--epochs", "6"]
TORCHRUN = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--no-python", "--nproc-per-node", "2"]


def main(folder: Path) -> None:
    rows = []
    for seed in ["1", "2", "3"]:
        for ranks, launcher in [("1", []), ("2", TORCHRUN)]:
            models = folder / f"{ranks}-{seed}"
            environment = os.environ | {"ROR_MODELS": str(models), "OMP_NUM_THREADS": "1"}
            subprocess.run(launcher + TRAIN + ["--seed", seed], env=environment, check=True)
            [path] = models.glob("runs/*/card.json")
            card = json.loads(path.read_text())
            accuracy = card["validation"][0]["accuracy"]
            rows.append(
                {"seed": seed, "ranks": ranks}
                | {name: f"{accuracy[name]:.4f}" for name in ["value", "low", "high"]}
                | {"hardware": card["hardware"], "date": card["date"]}
            )
    new = ROOT / "benches" / "ranks.csv.new"
    with new.open("w") as file:
        table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    new.rename(ROOT / "benches" / "ranks.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "ranks")
