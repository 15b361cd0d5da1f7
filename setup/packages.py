"""Prints the packages of environment.yml that this Python lacks, one per line, in pip's format."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for line in (Path(__file__).parent.parent / "environment.yml").read_text().splitlines():
    if pin := re.fullmatch(r"\s*- ([\w.-]+)==([\w.]+)", line):
        name, wanted = pin.groups()
        try:
            installed = version(name).split("+")[0]  # 2.11.0+cpu is 2.11.0
        except PackageNotFoundError:
            installed = None
        if installed != wanted:
            print(f"{name}=={wanted}")
