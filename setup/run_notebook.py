"""Executes notebooks without a browser and stops at the first cell that fails.

    python setup/run_notebook.py NOTEBOOK... --to FOLDER [--jobs N] [--commit]

Runs N notebooks at a time. Writes the executed notebook and an HTML page of it to FOLDER, with `--commit` without the data set's
images (see withhold.py), and then also over NOTEBOOK. Without a notebook, only starts and stops the
kernel, which compiles what it needs.
"""

import argparse
import asyncio
import os
import queue
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from withhold import withhold

START = 1200  # seconds; after an edit, the kernel compiles the crate first
LATE = 0.1  # seconds


def failure(cell) -> str:
    """Returns the error of an executed cell, or an empty string.

    A compile error is an output. After `?` and after a panic there is only text on stderr, so any text
    there counts as an error, except libtorch's warnings.
    """
    text = []
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            text.append("\n".join(output.traceback) or output.evalue)
        elif output.output_type == "stream" and output.name == "stderr":
            text += [line for line in output.text.splitlines() if not line.startswith("[W")]
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(text)).strip()


def unsaid(cell, said: str, status: str) -> str:
    """Returns what is wrong with the error of a cell that should fail, or an empty string.

    `says` in its metadata lists the words that the error must contain.
    """
    if not said:
        return "(no error, but this cell should fail)"
    if status != "error":
        return f"{said}\n\n(but Jupyter got the status {status}, so Run All would continue)"
    missing = [what for what in cell.metadata.get("says", []) if what not in said]
    return f"{said}\n\n(which lacks: {missing})" if missing else ""


def unshown(cell) -> str:
    """Returns which words in `shows` of a cell's metadata its output lacks, or an empty string."""
    shown = []
    for output in cell.get("outputs", []):
        shown += [output.get("text", ""), *map(str, output.get("data", {}).values())]
    missing = [what for what in cell.metadata.get("shows", []) if what not in "\n".join(shown)]
    return f"(it does not show {missing})" if missing else ""


async def execute(client: NotebookClient, cell, index: int) -> None:
    await client.async_execute_cell(cell, index)
    # A cell's stderr may arrive after the kernel's idle message.
    try:
        while message := await client.kc.get_iopub_msg(timeout=LATE):
            client.process_message(message, cell, index)
    except queue.Empty:
        pass


async def run(path: Path, folder: Path, commit: bool, alone: bool) -> bool:
    notebook = nbformat.read(path, as_version=4)
    replies = []
    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=START,
        allow_errors=True,  # `failure` sees more than nbclient
        coalesce_streams=True,
        on_cell_executed=lambda execute_reply, **_: replies.append(execute_reply["content"]),
        record_timing=False,  # otherwise every diff has five lines per cell
        resources={"metadata": {"path": str(path.parent)}},
    )
    print(f"{path.name}: starting the kernel", flush=True)
    start = time.monotonic()
    failed = ""
    async with client.async_setup_kernel():
        cells = [(i, c) for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip()]
        for number, (index, cell) in enumerate(cells, 1):
            place = f"{'' if alone else path.stem}  {number:2}/{len(cells):<2}"
            if alone:
                print(place, end="", flush=True)
            cell_start = time.monotonic()
            await execute(client, cell, index)
            first_line = cell.source.strip().splitlines()[0]
            print(f"{'' if alone else place}  {time.monotonic() - cell_start:6.1f} s  {first_line[:70]}", flush=True)
            failed = failure(cell)
            if "raises-exception" in cell.metadata.get("tags", []):
                failed = unsaid(cell, failed, replies[-1]["status"])
            else:
                failed = failed or unshown(cell)
            if failed:
                break

    folder.mkdir(parents=True, exist_ok=True)
    if commit and not failed:
        print(f"{path.name}: images of {withhold(notebook)} outputs are replaced")
        nbformat.write(notebook, path)
    nbformat.write(notebook, folder / path.name)
    page, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    (folder / path.name).with_suffix(".html").write_text(page, encoding="utf-8")
    if failed:
        print(f"\n{path.name}: this cell failed:\n\n{cell.source}\n\nwith:\n\n{failed}\n", file=sys.stderr)
    else:
        shown = os.path.relpath((folder / path.name).with_suffix(".html"))
        print(f"{path.name}: {len(cells)} cells in {time.monotonic() - start:.0f} s, shown in {shown}")
    return not failed


async def start_kernel() -> None:
    # The kernel answers before the crate is compiled, and runs a cell afterwards.
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("()")])
    await NotebookClient(notebook, kernel_name="ror", startup_timeout=START).async_execute()


async def run_all(paths: list[Path], folder: Path, commit: bool, jobs: int) -> bool:
    """Runs notebooks, `jobs` at a time. After one that fails, no other is started."""
    free, ran = asyncio.Semaphore(jobs), []

    async def one(path: Path) -> None:
        async with free:
            if all(ran):
                ran.append(await run(path.resolve(), folder, commit, alone=jobs == 1))

    await asyncio.gather(*map(one, paths))
    return all(ran)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--to", type=Path, metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--commit", action="store_true")
    options = parser.parse_args()
    if not options.notebooks:
        asyncio.run(start_kernel())
        return 0
    if not options.to:
        parser.error("--to FOLDER is required")
    ran = asyncio.run(run_all(options.notebooks, options.to, options.commit, options.jobs))
    return 0 if ran else 1


if __name__ == "__main__":
    sys.exit(main())
