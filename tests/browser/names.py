"""Shows files with hostile names in JupyterLab: nothing in a name becomes markup, a script or a message.

    python tests/browser/names.py [--names N] [--seed N]

Each name is put together at random from what other systems would run or obey.
"""

import argparse
import csv
import json
import os
import random
import tempfile
from pathlib import Path

from browser import Wrong, main
from lab import ROOT, START, Lab, write_notebook

PARTS = [
    '<img src=x onerror="window.hostile=1" data-hostile>',
    "<svg onload='window.hostile=1' data-hostile>",
    "<script data-hostile>window.hostile=1",
    "<iframe srcdoc='<b data-hostile>'>",
    "'\"><b data-hostile>",
    "--><b data-hostile>",
    "]]><b data-hostile>",
    "&lt;b data-hostile&gt;",
    "\\u003cb data-hostile\\u003e",
    "%3Cb data-hostile%3E",
    "${window.hostile=1}",
    "{{window.hostile=1}}",
    "$$\\href{javascript:window.hostile=1}{x}$$",
    "`\\`",
    "\x1b[2J\x1b]8;;x\x07",
    "\x9b31m",
    "\u202e",
    "\r",
    "\nEVCXR_BEGIN_CONTENT text-html\n<b data-hostile>\nEVCXR_END_CONTENT\n",
    "\nEVCXR_EXECUTION_COMPLETE\n",
    "=1+1",
    "Ä漢\U0001f642",
    " ",
]
# What may be in an output beside printed text: the ends of lines.
CONTROLS = {c for c in [*range(32), 127, *range(0x80, 0xA0), 0x202E] if c != ord("\n")}
SEEN = """({
  ran: window.hostile ?? null,
  elements: panel.content.node.querySelectorAll("[data-hostile]").length,
  outputs: panel.content.widgets.filter((cell) => cell.model.type === "code").map((cell) => cell.model.outputs.toJSON()),
})"""


def hostile_names(number: int, seed: int) -> list[str]:
    chance, names = random.Random(seed), []
    while len(names) < number:
        name = "".join(chance.choices(PARTS, k=chance.randint(1, 4))) + f"{len(names)}.jpg"
        if len(name.encode()) <= 255:
            names.append(name)
    return names


def write(folder: Path, names: list[str]) -> None:
    """A folder with an image of each name: labelled, without a label and damaged ones."""
    photo = (ROOT / "tests" / "photos" / "plain.jpg").read_bytes()
    (folder / "a.jpg").write_bytes(photo)
    (folder / "b.jpg").write_bytes(photo[:200])
    for i, name in enumerate(names):
        os.link(folder / ("b.jpg" if i % 3 == 2 else "a.jpg"), folder / name)
    with open(folder / "labels.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "age", "gender"])
        rows.writerows([name, 20 + i % 50, i % 2] for i, name in enumerate(names) if i % 3 != 1)


def cells(folder: Path, names: list[str]) -> list[str]:
    place, first = (json.dumps(str(path), ensure_ascii=False) for path in [folder, folder / names[0]])
    return [
        f"let odd = Faces::open_at({place})?; odd",
        'println!("{odd}"); eprintln!("{odd}");',
        "odd.records().clone()",
        "show(&odd.unparsed().to_vec()); show(&odd.unreadable().to_vec());",
        'let few = odd.records().head(Some(8)); plot::chart(&few).x("file").bars()',
        f"let files: Vec<_> = std::fs::read_dir({place})?.map(|file| file.unwrap().path()).take(60).collect();",
        'Predictor::open(&["both-32px"])?.predict_files(&files)?',
        "interact((0..=50, [\"a\", \"b\"]), move |(n, _): (usize, &str)| { show(&files[n].display().to_string()); files[n].display().to_string() });",
        f"Photo::open({first})?",
        f'Photo::open(format!("{{}}-missing", {first}))?',
    ]


def look(lab: Lab, name: str) -> None:
    lab.open(name)
    for cell in lab.cells():  # some are to fail, at which "Run All" would stop
        shown = lab.run_cell(cell["source"], START)
        if not shown["count"]:
            raise Wrong(f"this cell has not run:\n{cell['source']}")
    seen = lab.page.evaluate(SEEN)
    if seen["ran"] is not None or seen["elements"]:
        raise Wrong(f"a name became a script ({seen['ran']}) or {seen['elements']} elements")
    for outputs in seen["outputs"]:
        for output in outputs:
            text = output.get("text", "") if output["output_type"] == "stream" else json.dumps(output.get("data", {}), ensure_ascii=False)
            wrong = {character for character in "".join(text) if ord(character) in CONTROLS}
            if wrong:
                raise Wrong(f"{wrong!r} in an output:\n{''.join(text)[:2000]!r}")
    ran = sum(bool(outputs) for outputs in seen["outputs"])
    print(f"{ran} outputs with hostile names: no markup, script or message")


def notebook(folder: Path, names: list[str]) -> Path:
    """Writes the images and the notebook that shows them."""
    place = folder / "images"
    place.mkdir()
    write(place, names)
    path = folder / "names.ipynb"
    write_notebook(path, cells(place, names))
    return path


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = notebook(Path(folder), hostile_names(options.names, options.seed))
        with Lab(path) as lab:
            look(lab, path.name)
            if options.screenshots:
                options.screenshots.mkdir(parents=True, exist_ok=True)
                lab.screenshot(options.screenshots / "names.png", whole=True)


if __name__ == "__main__":
    main(run)
