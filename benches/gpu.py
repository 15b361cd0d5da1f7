"""What gpu.sh runs where the GPU is: python gpu.py [STEPS]. Sides in turn, three runs each, medians as CSV."""

import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = sys.argv[1] if len(sys.argv) > 1 else "50"
RUNS = 3
CARD = {"32": "both-32px.json", "64": "both-64px.json", "128": "both-64px.json"}


def measured(command: list[str]) -> dict | None:
    """The last line that a side prints; what it said instead goes to standard error."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(command)}: {done.stderr[-2000:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def ours(*arguments: str) -> list[str]:
    return ["./waits", "--measure", *arguments]


def rival(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def in_turn(wait: str, sides: list[list[str]], rows: list[dict]) -> None:
    runs = [[measured(side) for side in sides] for _ in range(RUNS)]
    for side in zip(*runs):
        if all(side):
            seconds = statistics.median(run["seconds"] for run in side)
            rows.append(
                {
                    "wait": wait,
                    "by": side[0]["name"] or "ror",
                    "seconds": f"{seconds:.5f}",
                    "low": f"{min(run['seconds'] for run in side):.5f}",
                    "high": f"{max(run['seconds'] for run in side):.5f}",
                    "check": json.dumps(side[0]["check"]),
                }
            )
            print(rows[-1], file=sys.stderr)


def main() -> None:
    rows: list[dict] = []
    # Its nets go where the device is; what it says goes to standard error.
    done = subprocess.run(["./training", "--test-threads", "1"], cwd=HERE, capture_output=True, text=True)
    print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    rows.append({"wait": "tests/training.rs", "by": "ror", "check": "failed" if done.returncode else "passed"})
    in_turn("logits of 500 pictures, largest difference from the CPU's", [ours("agree", "both-64px", "500")], rows)
    in_turn("NCCL: a sum and a broadcast by one rank", [ours("nccl")], rows)
    for size, card in CARD.items():
        step = [f"models/{card}", size, "128", STEPS]
        sides = [ours("train", *step), *(rival("train.py", *step, mode) for mode in ["eager", "compile"])]
        in_turn(f"training step, {size} px, batch 128, bf16", sides, rows)
        ceiling = [rival("ceiling.py", f"models/{card}", size, "128")]
        in_turn(f"the step's arithmetic at the speed of a large product, {size} px", ceiling, rows)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(ours("faces", "4000", folder), cwd=HERE, check=True)
        sides = [ours("folder", folder), rival("predict_folder.py", "models/both-64px.json", folder)]
        in_turn("predict a folder of 4,000", sides, rows)
    table = csv.DictWriter(sys.stdout, ["wait", "by", "seconds", "low", "high", "check"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)


if __name__ == "__main__":
    main()
