"""Starts the Rust kernel of a notebook (the `argv` of kernel.json).

    python setup/kernel.py CONNECTION_FILE
    python setup/kernel.py --install    # tell Jupyter about the kernel
    python setup/kernel.py --key        # what the compiled dependencies depend on, as a hash

evcxr, the kernel, compiles every cell with cargo. It does so in a folder of its own,
target/kernel/N, the first that no other kernel uses. A new folder takes over the compiled
dependencies of the project, so that a kernel compiles only the crate `ror` and its cells.

The kernel works with a copy of the crate, made when it starts: an edit in src/ reaches it
with a restart, and never while its cells run.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLOTS = ROOT / "target" / "kernel"
# What the crate is made of.
CRATE = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "benches", "examples", "tests"]

# Run by every kernel when it starts, so that what takes long is done before the first cell:
# the crate is compiled, and the first `let` has evcxr read the sources of all dependencies.
# The lock file is put back because evcxr's first build, without dependencies, empties it;
# another linker than the project's would have all dependencies compiled anew; `{:?}` shows
# an error with its causes.
PRELUDE = """\
!cp "{slot}/ror/Cargo.lock" "{slot}"
:linker system
:efmt {{:?}}
:dep ror = {{ path = "{slot}/ror" }}
use ror::prelude::*;
let _ready = Ok::<(), std::fmt::Error>(())?;
"""


def dependencies_key() -> str:
    """What the compiled dependencies depend on."""
    key = hashlib.sha256(subprocess.check_output(["rustc", "-vV"], cwd=ROOT))
    for name in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"]:
        key.update((ROOT / name).read_bytes())
    key.update(os.path.realpath(ROOT / ".libtorch").encode())
    return key.hexdigest()


def stamp(slot: Path) -> str:
    try:
        return (slot / "stamp").read_text()
    except FileNotFoundError:
        return ""


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        pass  # a cell's, gone since it was listed
    except OSError:
        shutil.copy2(source, target)  # no hard links here


def seed(slot: Path, key: str) -> None:
    """Takes over what is compiled: in the first slot or else in the project's own build."""
    (slot / "stamp").unlink(missing_ok=True)
    for name in ["target", "ror"]:
        shutil.rmtree(slot / name, ignore_errors=True)

    first = SLOTS / "0"
    ours = ["ctx*", "libctx*", "libcode_*"]  # cells are compiled anew
    if slot != first and stamp(first) == key:
        source = first / "target"
        shutil.copytree(first / "ror", slot / "ror")
    else:
        source = ROOT / "target"
        ours += ["ror-*", "ror.*", "libror*"]  # compiled otherwise there
    for debug in [*source.glob("*/debug"), source / "debug"]:
        # The fingerprints first: what they speak of is then complete. Cargo rewrites small
        # files in place, so they are copied. Compiled ones are replaced: a link will do.
        for part, copy in [(".fingerprint", shutil.copy2), ("build", shutil.copy2), ("deps", link)]:
            if (debug / part).is_dir():
                shutil.copytree(
                    debug / part,
                    slot / "target" / debug.relative_to(source) / part,
                    symlinks=True,
                    ignore=shutil.ignore_patterns(*ours),
                    copy_function=copy,
                )
    (slot / "stamp").write_text(key)


def copy_crate(target: Path) -> None:
    """Brings the copy of the crate up to date. Files that did not change keep their time,
    by which cargo tells what to compile."""
    files = [path for name in CRATE for path in [ROOT / name, *(ROOT / name).rglob("*")] if path.is_file()]
    wanted = {target / path.relative_to(ROOT): path for path in files}
    for path in target.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
    for path, source in wanted.items():
        content = source.read_bytes()
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def take_slot() -> Path:
    """Locks the first free slot for the life of this process, which becomes the kernel."""
    number = 0
    while True:
        slot = SLOTS / str(number)
        slot.mkdir(parents=True, exist_ok=True)
        lock = os.open(slot / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.set_inheritable(lock, True)
            return slot
        except BlockingIOError:
            os.close(lock)
            number += 1


def install() -> None:
    """Tells the Jupyter of this Python environment about the kernel."""
    spec = {
        "argv": [sys.executable, str(Path(__file__).resolve()), "{connection_file}"],
        "display_name": "Rust (ror)",
        "language": "rust",
        "interrupt_mode": "message",
    }
    folder = Path(sys.prefix) / "share" / "jupyter" / "kernels" / "ror"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n")


def start(connection_file: str) -> None:
    slot = take_slot()
    key = dependencies_key()
    if stamp(slot) != key:
        seed(slot, key)
    copy_crate(slot / "ror")
    # Read by evcxr where the notebook's folder has no evcxr.toml of its own.
    (slot / "evcxr.toml").write_text(f"[evcxr]\nprelude = '''\n{PRELUDE.format(slot=slot)}'''\n")

    bin = Path(sys.prefix) / "bin"
    os.environ.update(
        EVCXR_TMPDIR=str(slot),
        EVCXR_CONFIG_DIR=str(slot),
        ROR_HOME=os.environ.get("ROR_HOME", str(ROOT)),  # the copy is not where data/ and models/ are
        PATH=f"{bin}{os.pathsep}{os.environ.get('PATH', '')}",
        JUPYTER_PATH=str(slot / "none"),  # keeps evcxr from updating kernels elsewhere
        RUST_LIB_BACKTRACE="0",  # an error's message is enough
    )
    for name in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"]:  # would go before evcxr's own
        os.environ.pop(name, None)
    kernel = str(bin / "evcxr_jupyter")
    os.execv(kernel, [kernel, "--control_file", connection_file])


if __name__ == "__main__":
    if sys.argv[1] == "--install":
        install()
    elif sys.argv[1] == "--key":
        print(dependencies_key())
    else:
        start(sys.argv[1])
