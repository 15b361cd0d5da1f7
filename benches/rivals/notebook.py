"""Times a fresh notebook kernel: python notebook.py ours|keras FOLDER

`ours` starts the project's kernel, opens FOLDER and plots the ages; `keras` starts a Python kernel, imports
what the original notebook imports, reads the names in FOLDER and plots the ages. Seconds are those from the
kernel's start to the plot; `cell` is the median of three plots behind it; memory is what all processes of the kernel have then.
"""

import asyncio
import importlib.metadata
import json
import statistics
import sys
import time

import nbformat
import psutil
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

which, folder = sys.argv[1:3]
OURS = [
    f'use ror::prelude::*;\nlet faces = Faces::open_at("{folder}")?;\nplot::ages(faces.records())?',
    "let up_to_60 = faces.records().up_to_age(60)?;\nplot::ages(&up_to_60)?",
    "plot::genders(&up_to_60)?",
    "let fewer = up_to_60.thin(0..=4, 0.50, 0)?;\nplot::ages(&fewer)?",
]
KERAS = [
    f"""import os
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
import keras
from keras import layers
from PIL import Image
names = sorted(os.listdir({folder!r}))
ages = pd.Series([int(name.split("_")[0]) for name in names])
ages.hist(bins=116)
plt.xlabel("age")
plt.show()""",
    "up_to_60 = ages[ages <= 60]\nup_to_60.hist(bins=60)\nplt.show()",
    "up_to_60.value_counts().plot.bar()\nplt.show()",
    "fewer = up_to_60[up_to_60 > 4]\nfewer.hist(bins=60)\nplt.show()",
]


async def main() -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (OURS if which == "ours" else KERAS)]
    manager = AsyncKernelManager(kernel_name="ror" if which == "ours" else "python3")
    if which == "keras":
        manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client = NotebookClient(notebook, km=manager, startup_timeout=600, timeout=None)
    times = []
    start = time.perf_counter()
    async with client.async_setup_kernel():
        ready = time.perf_counter() - start
        for index, cell in enumerate(notebook.cells):
            start_cell = time.perf_counter()
            await client.async_execute_cell(cell, index)
            times.append(time.perf_counter() - start_cell)
        children = psutil.Process().children(recursive=True)
        resident = sum(child.memory_info().rss for child in children) / 2**20
    await manager.shutdown_kernel(now=True)
    shown = {kind for output in notebook.cells[0].outputs for kind in output.get("data", {})}
    assert shown & {"text/html", "image/png", "image/svg+xml"}, notebook.cells[0].outputs
    names = [] if which == "ours" else ["keras", "tensorflow-cpu", "matplotlib"]
    print(
        json.dumps(
            {
                "name": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names),
                "seconds": ready + times[0],
                "peak_mb": resident,
                "check": {"ready": ready, "cell": statistics.median(times[1:])},
            }
        )
    )


asyncio.run(main())
