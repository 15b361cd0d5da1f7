"""Drags a slider in JupyterLab and looks at what follows it.

    python tests/browser/interact.py [--screenshots FOLDER]

It needs the extension jupyterlab_widgets. The data is synthetic.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from browser import Wrong, main, until
from lab import START, Lab, write_notebook

CELLS = [
    "let faces = Faces::synthetic(600, 0)?;",
    """let table = faces.records().clone();
interact((1..=80, ["all", "female", "male"]), move |(from, gender)| {
    let kept = table.clone().lazy().filter(col("age").gt_eq(lit(from)));
    plot::ages(&if gender == "all" { kept } else { kept.filter(col("gender").eq(lit(gender))) }.collect()?)
});""",
]
OTHER = ["interact(0..=9, |n| n * n)"]
# In the notebook that is shown: the place of the slider's handle and track, and what is shown beneath.
SLIDER = """(() => {
  const box = (it) => { const {x, y, width, height} = it.getBoundingClientRect(); return [x, y, width, height]; };
  const slider = panel.node.querySelector(".jp-OutputArea .noUi-base");
  return slider && {track: box(slider), handle: box(slider.querySelector(".noUi-handle"))};
})()"""
PICTURE = "panel.node.querySelector('.jp-OutputArea .widget-html-content img')?.src ?? ''"
READ = "panel.node.querySelector('.jp-OutputArea .widget-readout')?.textContent"
TEXT = "(panel.node.querySelector('.jp-OutputArea .widget-html-content')?.textContent ?? '').trim()"


def mouse(lab: Lab, kind: str, x: float, y: float) -> None:
    lab.page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def drag(lab: Lab, to: float) -> int:
    """Drags the handle to this share of the track, in steps. Returns how many pictures were seen on the way."""
    place = lab.page.wait(SLIDER, "a slider is there")
    (x, y, width, height), (left, _, wide, _) = place["track"], place["handle"]
    y, start, end = y + height / 2, left + wide / 2, x + to * width
    mouse(lab, "mousePressed", start, y)
    seen = set()
    for step in range(1, 21):
        mouse(lab, "mouseMoved", start + (end - start) * step / 20, y)
        time.sleep(0.05)
        seen.add(lab.page.evaluate(PICTURE))
    mouse(lab, "mouseReleased", end, y)
    return len(seen)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder) / "interact.ipynb"
        write_notebook(notebook, CELLS)
        other = Path(folder) / "other.ipynb"
        write_notebook(other, OTHER)
        with Lab(notebook, other) as lab:
            look(lab, notebook.name, options.screenshots)
            look_at_two(lab, notebook.name, other.name)


def look(lab: Lab, name: str, screenshots: Path | None) -> None:
    def settled(before: str) -> str:
        """The picture some time after a move, which must differ from the one before."""
        time.sleep(1)
        lab.wait_idle()
        picture = lab.page.evaluate(PICTURE)
        if not picture or picture == before:
            raise Wrong(f"the picture did not follow the slider\n{lab.cells()[-1]['text']}")
        return picture

    def screenshot(number: int) -> None:
        if screenshots:
            screenshots.mkdir(parents=True, exist_ok=True)
            lab.screenshot(screenshots / f"interact-{number}.png")

    lab.open(name)
    lab.run_all(START)
    picture = lab.page.wait(PICTURE, "a picture below the slider", 60)
    screenshot(1)
    seen = drag(lab, 0.4)
    if seen < 4:
        raise Wrong(f"{seen} pictures while the slider was dragged")
    picture = settled(picture)
    screenshot(2)
    lab.page.evaluate(
        """(() => { const choice = panel.node.querySelector(".jp-OutputArea select");
          choice.value = "male"; choice.dispatchEvent(new Event("change", {bubbles: true})); })()"""
    )
    picture, value = settled(picture), lab.page.evaluate(READ)
    screenshot(3)

    # The page is loaded again; the kernel goes on.
    lab.page.evaluate("panel.context.save()")
    lab.page.evaluate("void location.reload()")
    time.sleep(2)
    lab.page.wait("window.jupyterapp?.restored.then(() => true)", "JupyterLab is there again", 120)
    lab.open(name)
    until(lambda: lab.page.evaluate(PICTURE) == picture, 30, lambda: f"the picture is there after a reload\n{lab.cells()}")
    if lab.page.evaluate(READ) != value:
        raise Wrong(f"after a reload the slider is at {lab.page.evaluate(READ)}, not {value}")
    drag(lab, 0.8)
    settled(picture)
    screenshot(4)
    print(f"{seen} pictures while a slider was dragged; it goes on after a reload")


def look_at_two(lab: Lab, name: str, other: str) -> None:
    """Each of two notebooks follows its own slider, while both kernels run."""
    before = lab.page.evaluate(PICTURE)
    lab.open(other)
    lab.run_all(START)
    lab.page.wait(f"{TEXT} === '0'", "the other notebook shows 0", 60)
    drag(lab, 1.0)
    lab.page.wait(f"{TEXT} === '81'", "the other notebook shows 81 at 9", 30)
    lab.open(name)
    if lab.page.evaluate(PICTURE) != before:
        raise Wrong("the first notebook followed the other's slider")
    drag(lab, 0.2)
    until(lambda: lab.page.evaluate(PICTURE) not in ("", before), 30, lambda: "the first notebook follows its slider")
    lab.open(other)
    if lab.page.evaluate(TEXT) != "81":
        raise Wrong("the other notebook followed the first one's slider")
    print("two notebooks follow their own sliders")


if __name__ == "__main__":
    main(run)
