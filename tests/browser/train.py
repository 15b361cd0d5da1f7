"""Runs a notebook in JupyterLab by Run All, watches its trainings move, and stops one.

    python tests/browser/train.py NOTEBOOK [--screenshots FOLDER]

The notebook must train a net; where its data is from is up to the caller's environment.
"""

import argparse
import re
import time
from pathlib import Path

from browser import Wrong, main, until
from lab import START, Lab

MOVING = re.compile(r"epoch (\d+) of (\d+), step (\d+) of \d+, loss \d")
LONG = """let _stopped = Training::new(&faces, &Split::new(&faces, faces.records(), &SplitSizes::small())?, Task::Gender)
    .net(RorConfig::small(1)).epochs(500).train()?;"""


def seen(lab: Lab) -> list[tuple[str, ...]]:
    """Epoch, epochs and step of each bar of a training that is seen now."""
    return [found.groups() for cell in lab.cells() if (found := MOVING.search(cell["text"]))]


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    options = parser.parse_args()

    def screenshot(name: str, **how) -> None:
        if options.screenshots:
            options.screenshots.mkdir(parents=True, exist_ok=True)
            lab.screenshot(options.screenshots / name, **how)

    with Lab(options.notebook) as lab:
        lab.open(options.notebook.name)
        lab.command("notebook:clear-all-cell-outputs")
        lab.run_all()
        bars = set()

        def moved() -> bool:
            bars.update(seen(lab))
            return len(bars) >= 3 and any(int(epoch) >= 3 for epoch, *_ in bars)

        until(moved, START, lambda: f"a training's bar moves; so far {bars}\n{lab.cells()}")
        screenshot("training.png", whole=True)
        lab.wait_run(START)
        screenshot("end.png", whole=True)
        cells = lab.cells()
        failed = [cell for cell in cells if cell["errors"] or (cell["source"].strip() and not cell["count"])]
        if failed:
            raise Wrong(f"this cell failed or has not run:\n{failed[0]['source']}\n{failed[0]['errors']}")
        if left := seen(lab):
            raise Wrong(f"bars stand still at the end: {left}")
        trained = [cell for cell in cells if "training loss" in cell["text"] and cell["images"]]
        if not trained:
            raise Wrong("no cell shows the epochs and curves of its training at the end")

        # What was defined before a Stop is there after it.
        lab.run_cell("let kept = 20 + 3;")
        lab.start_cell(LONG)
        later = lambda: any(int(epoch) >= 2 for epoch, *_ in seen(lab))
        until(later, 120, lambda: f"the training to stop has its first epoch\n{lab.cells()[-1]}")
        start = time.monotonic()
        lab.interrupt()
        seconds = time.monotonic() - start
        screenshot("stopped.png")
        said = lab.cells()[-1]["text"]
        if "stopped by you after epoch" not in said:
            raise Wrong(f"after Stop the cell says\n{said}")
        kept = lab.run_cell("kept")["text"]
        if kept != "23":
            raise Wrong(f"after Stop a variable is {kept}")
    print(f"{len(bars)} states of bars seen, {len(trained)} trainings stay; stopped in {seconds:.1f} s, and a variable stayed")


if __name__ == "__main__":
    main(run)
