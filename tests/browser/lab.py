"""Looks at notebooks in JupyterLab as someone does who has just cloned the project.

    python tests/browser/lab.py NOTEBOOK... [--screenshots FOLDER] [--run]

Each is opened without a kernel and without trust, as committed, and must show every output and
every picture. With --run all cells run, too, in the kernel that the notebook names, and every cell
must come to its end; where its data is from is up to the caller's environment.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from browser import Browser, Running, Wrong, main, stop, until

ROOT = Path(__file__).resolve().parent.parent.parent
START = 600  # seconds; after an edit the kernel first compiles the crate
WIDTH, HEIGHT = 1280, 900
TALLEST = 16_000  # pixels of a screenshot; Chromium draws no more at once
SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false"}}  # else it asks

OPEN = """(async () => {
  const registry = jupyterapp.docRegistry;
  window.preference ??= registry.getKernelPreference.bind(registry);
  registry.getKernelPreference = (...of) => ({...preference(...of), shouldStart: %(kernel)s});
  window.panel = await jupyterapp.commands.execute("docmanager:open", {path: %(path)s, factory: "Notebook"});
  await panel.context.ready;
  await panel.revealed;
})()"""

# A cell as it is seen: an output without words and pictures does not count, nor does a hidden one; a
# picture without pixels is broken.
CELLS = """panel.content.widgets.filter((cell) => cell.model.type === "code").map((cell) => {
  const all = (selector) => [...cell.node.querySelectorAll(`.jp-OutputArea ${selector}`)];
  const words = (it) => {  // innerText is empty where the browser does not draw yet
    const copy = it.cloneNode(true);
    copy.querySelectorAll("script, style").forEach((part) => part.remove());
    return copy.textContent.trim();
  };
  const shows = (it) => it.offsetHeight > 0 && (words(it) || it.querySelector("img, svg, canvas"));
  const outputs = all(".jp-OutputArea-output").filter(shows);
  const images = all("img");
  return {
    source: cell.model.sharedModel.getSource(),
    count: cell.model.executionCount,
    trusted: cell.model.trusted,
    outputs: outputs.length,
    text: outputs.map(words).join("\\n"),
    errors: outputs.filter((it) => /stderr|error/.test(it.dataset.mimeType)).map(words).join("\\n"),
    images: images.length,
    broken: images.filter((it) => it.complete && !it.naturalWidth).length,
    loading: images.filter((it) => !it.complete).length,
  };
})"""

CONTENT = "panel.content.node.querySelector('.jp-WindowedPanel-inner').scrollHeight"


class Lab(Running):
    """A JupyterLab of its own, with nothing of the user's, on copies of notebooks.

    The copies stand in a folder `notebooks` beside a link to `tests`, so that what cells open is there.
    """

    def __init__(self, *notebooks: Path):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        place = Path(self.folder.name)
        for name in ["notebooks", "runtime"]:
            (place / name).mkdir()
        (place / "tests").symlink_to(ROOT / "tests")
        for notebook in notebooks:
            shutil.copy(notebook, place / "notebooks")
        for name, setting in SETTINGS.items():
            file = place / "config" / "lab" / "user-settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(setting))
        kernels = [str(ROOT / "target" / "jupyter" / "data"), os.environ.get("JUPYTER_PATH", "")]
        own = {
            "JUPYTER_PATH": os.pathsep.join(filter(None, kernels)),
            "npm_config_cache": str(place / "npm"),
            "IPYTHONDIR": str(place / "ipython"),
        }
        own |= {f"JUPYTER_{name.upper()}_DIR": str(place / name) for name in ["config", "data", "runtime"]}
        options = [
            "--no-browser",
            "--ServerApp.port=0",
            f"--ServerApp.root_dir={place}",
            f"--MappingKernelManager.kernel_info_timeout={START}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
        ]
        if os.geteuid() == 0:
            options.append("--allow-root")
        self.log = open(place / "log", "w+")
        self.page, self.server = Browser(WIDTH, HEIGHT), None
        try:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                env={**os.environ, **own},
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,
            )
            server = until(self._server, 120, lambda: f"JupyterLab's start\n{self.said()}")
            self.address = server["url"]
            self.page.open(f"{self.address}lab?token={server['token']}")
            self.page.wait("window.jupyterapp?.restored.then(() => true)", "JupyterLab is there", 120)
            self.page.evaluate("jupyterapp.shell.collapseLeft()")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.page.close()
        if self.server:
            stop(self.server)  # which ends its kernels
        self.log.close()
        self.folder.cleanup()

    def _server(self) -> dict | None:
        """Where JupyterLab listens, once it does."""
        if self.server.poll() is not None:
            raise Wrong(f"JupyterLab ended with {self.server.returncode}\n{self.said()}")
        for file in (Path(self.folder.name) / "runtime").glob("jpserver-*.json"):
            try:
                server = json.loads(file.read_text())
                socket.create_connection(("localhost", server["port"])).close()
                return server
            except (json.JSONDecodeError, ConnectionRefusedError):
                pass  # half written, or not listening yet
        return None

    def open(self, name: str, kernel: bool = True) -> None:
        """Shows a notebook, and with `kernel` starts its kernel and waits for it."""
        self.page.evaluate(OPEN % {"path": json.dumps(f"notebooks/{name}"), "kernel": json.dumps(kernel)})
        if kernel:
            self.wait_idle(START)

    def close_notebook(self) -> None:
        """Closes the notebook that is shown without saving it, and ends its kernel."""
        self.page.evaluate("panel.sessionContext.shutdown().then(() => panel.dispose())")

    def cells(self) -> list[dict]:
        """The notebook's cells of code as they are seen, see `CELLS`."""
        return self.page.evaluate(CELLS)

    def wait_idle(self, limit: float = 60) -> None:
        """Waits until the kernel has nothing to do."""
        kernel = "panel.sessionContext.session?.kernel"
        idle = f"{kernel}?.connectionStatus == 'connected' && {kernel}.status == 'idle'"
        self.page.wait(idle, "the kernel is idle", limit)

    def command(self, name: str) -> None:
        """Starts a command of JupyterLab, and does not wait for its end."""
        self.page.evaluate(f"void jupyterapp.commands.execute({json.dumps(name)})")

    def run_all(self, limit: float | None = None) -> None:
        """Runs all cells; with a limit in seconds, waits for the last."""
        self.page.evaluate(
            """void (window.ran = undefined, jupyterapp.commands.execute("notebook:run-all-cells"))
              .then(() => { window.ran = true; }, (error) => { window.ran = `${error}`; })"""
        )
        if limit:
            self.wait_run(limit)

    def wait_run(self, limit: float) -> None:
        self.page.wait("window.ran", "all cells have run", limit)
        self.wait_idle()

    def interrupt(self, limit: float = 60) -> None:
        """Interrupts the kernel and waits until it is idle."""
        self.command("notebook:interrupt-kernel")
        self.wait_idle(limit)

    def run_cell(self, code: str, limit: float = 60) -> dict:
        """Runs code in a new last cell, and returns this cell."""
        self.start_cell(code)
        self.page.evaluate("window.run", limit)
        return self.cells()[-1]

    def start_cell(self, code: str) -> None:
        """Runs code in a new last cell, and does not wait for its end."""
        self.page.evaluate(
            f"""(async () => {{
              panel.content.activeCellIndex = panel.content.widgets.length - 1;
              await jupyterapp.commands.execute("notebook:insert-cell-below");
              panel.content.activeCell.model.sharedModel.setSource({json.dumps(code)});
              window.run = jupyterapp.commands.execute("notebook:run-cell");
            }})()"""
        )

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Writes what is seen as PNG; with `whole`, in a window as high as the notebook is."""
        high = 0
        while whole and high < (now := min(self.page.evaluate(CONTENT) + 200, TALLEST)):
            high = now
            self.page.size(WIDTH, high)
            self.page.evaluate("panel.content.node.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
            time.sleep(1)  # cells get their height when they come into sight
        self.page.screenshot(path)
        self.page.size(WIDTH, HEIGHT)


def write_notebook(path: Path, sources: list[str]) -> None:
    """Writes a notebook of the project's kernel with cells of code."""
    spec = {"kernelspec": {"name": "ror", "display_name": "Rust (ror)", "language": "rust"}}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=spec)))


def expected(notebook: Path) -> list[tuple[int, int]]:
    """How many outputs and pictures each cell of code has as committed. What a cell prints is one output."""
    counts = []
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        outputs, images, stream = 0, 0, None
        for output in cell["outputs"]:
            name = output.get("name")
            outputs += name is None or name != stream
            stream = name
            data = output.get("data", {})
            if html := "".join(data.get("text/html", "")):
                images += html.count("<img ")
            else:
                images += any(kind.startswith("image/") for kind in data)
        counts.append((outputs, images))
    return counts


def difference(cells: list[dict], counts: list[tuple[int, int]]) -> str:
    """Which cell does not show what it should; empty where all do."""
    if len(cells) != len(counts):
        return f"{len(cells)} cells of code, not {len(counts)}"
    for cell, (outputs, images) in zip(cells, counts):
        shown = [cell[what] for what in ["outputs", "images", "broken", "loading"]]
        if shown != [outputs, images, 0, 0]:
            return (
                f"this cell has {outputs} outputs and {images} pictures, but shows {shown[0]} and {shown[1]}, "
                f"{shown[2]} of them broken, {shown[3]} not yet loaded:\n{cell['source']}"
            )
    return ""


def look(lab: Lab, notebook: Path) -> None:
    """Opens a notebook as committed, and checks that all of it is seen without trust and from here."""
    lab.open(notebook.name, kernel=False)
    counts = expected(notebook)
    until(lambda: not difference(lab.cells(), counts), 60, lambda: difference(lab.cells(), counts))
    if any(cell["trusted"] and cell["images"] for cell in lab.cells()):
        raise Wrong("it is trusted, so this says nothing about one that is not")
    own = ["data:", "blob:", lab.address, lab.address.replace("http", "ws", 1)]
    others = [address for address in lab.page.requests if not address.startswith(tuple(own))]
    if others:
        raise Wrong(f"it asks for {others}")
    # The widgets extension looks for the kernel of a notebook that has none (jupyter-widgets/ipywidgets#3970).
    known = ("@jupyter-widgets/jupyterlab-manager", "reading 'kernel'")
    if errors := [error for error in lab.page.errors if not all(part in error for part in known)]:
        raise Wrong(f"the page's errors: {errors}")
    outputs, images = (sum(column) for column in zip(*counts))
    print(f"{notebook.name}: {outputs} outputs and {images} pictures are seen without trust")


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    parser.add_argument("--run", action="store_true", help="run all cells in the notebook's kernel, too")
    options = parser.parse_args()
    with Lab(*options.notebooks) as lab:
        for notebook in options.notebooks:
            try:
                look(lab, notebook)
                if options.screenshots:
                    options.screenshots.mkdir(parents=True, exist_ok=True)
                    lab.screenshot(options.screenshots / f"{notebook.stem}.png", whole=True)
                lab.close_notebook()
                if options.run:
                    lab.open(notebook.name)
                    lab.run_all(START)
                    if options.screenshots:
                        lab.screenshot(options.screenshots / f"{notebook.stem}-run.png", whole=True)
                    for cell in lab.cells():
                        if cell["errors"]:
                            raise Wrong(f"this cell failed:\n{cell['source']}\n{cell['errors']}")
                        if cell["source"].strip() and not cell["count"]:
                            raise Wrong(f"this cell has not run:\n{cell['source']}")
                    print(f"{notebook.name}: all cells have run")
                    lab.close_notebook()
            except Wrong as wrong:
                raise Wrong(f"{notebook.name}: {wrong}") from None


if __name__ == "__main__":
    main(run)
