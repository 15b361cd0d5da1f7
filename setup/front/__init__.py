"""A front for evcxr, the Rust kernel of Jupyter. Cells can show live output and sliders, and keep their
variables after an interrupt.

    sys.exit(front.run(connection_file, prepare, "start();", [folder]))

The front listens on the ports of Jupyter's connection file, starts evcxr with a second connection file,
and forwards messages in both directions. Both files have the same key, so forwarded messages stay signed.
It answers while evcxr still starts, and tells the first cell what it waits for.

Printed text: the process of cells sends what it prints to the front, see process.py. This needs code that
connects it, `restart`, which the front runs again whenever the process was replaced.

Marked lines: the front reads lines that consist of `EVCXR_FRONT `, a word and a JSON object, instead of showing them:

    EVCXR_FRONT WORD {"display": ID, "data": {"text/html": "...", "text/plain": "..."}}
        an output of the cell; a later one with this ID, in the same run of the cell, replaces it
    EVCXR_FRONT WORD {"show": {"text/html": "...", "text/plain": "..."}}
        another output of the cell
    EVCXR_FRONT WORD {"stopping": true}
        the cell has noticed that it should stop and is finishing its step: it gets a minute
    EVCXR_FRONT WORD {"failed": "why"}
        the cell ends with an error; evcxr itself reports "ok" after a panic and after a `?`
    EVCXR_FRONT WORD {"kept": [NAME, ...]}
        the cell ends with an error, and had defined these variables, which it has stored if it could, see keep.py
    EVCXR_FRONT WORD {"capture": true}
        what is printed from now on belongs to the controls that follow
    EVCXR_FRONT WORD {"interact": NUMBER, "controls": [...], "data": {...}}
        controls of a closure, which the process calls on {"call": NUMBER, "values": [...]}, see widgets.py
    EVCXR_FRONT WORD {"called": NUMBER, "data": {...}}
        what the closure returned; "error" instead of "data" is an error

A malformed line is shown unchanged. Cells that run behind a front have `EVCXR_FRONT=WORD`, random, in their
environment.

Interrupts: evcxr can only kill the process of cells, which loses their variables. So the first interrupt
creates the file `EVCXR_FRONT_STOP`, which long loops check in order to return an error. While evcxr is
still compiling the cell, the first interrupt kills the compiler. A second interrupt, or 5 seconds without
an end (`EVCXR_FRONT_PATIENCE`), makes evcxr kill the process, and the front reports that under the cell.

Order: evcxr gets a request when the previous cell has ended; closures of controls run between cells.
After an error or an interrupt, waiting cells are answered with "aborted". Requests that evcxr does not
answer are answered here.

End: evcxr and its child processes are one process group. Its leader is a shell that kills the group when
its standard input closes. The front holds the other end, so the group ends whenever the front does.
"""

import json
import tempfile
from pathlib import Path

from .front import Front
from .rewrite import Names


def run(connection_file: str, prepare, restart: str, sources: list[Path]) -> int:
    """Serves the clients of a connection file with evcxr. `prepare(report, group)` returns the command that
    starts it and needs a connection file as its last argument. It may take long, calls `report` with what it
    does, and starts processes in this group. Completions prefer the public names in `sources`. Returns the
    exit status."""
    connection = json.loads(Path(connection_file).read_text())
    front = Front(connection, Path(tempfile.mkdtemp(prefix="ror-")), prepare, restart, Names(sources))
    try:
        return front.serve()
    finally:
        front.end()
