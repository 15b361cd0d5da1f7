"""Starts the Rust kernel of a notebook (the `argv` of kernel.json).

    python setup/kernel.py CONNECTION_FILE
    python setup/kernel.py --install    # write the kernel.json of this clone

This process becomes the front of the kernel, see front/__init__.py. Behind it, evcxr compiles every cell with
cargo in target/kernel/N/cells, with the first N that no other kernel uses. Only cells are compiled
there: their crate `ror` is two lines that re-export the shared library made by `cargo build`. The library
is copied when the kernel starts, so an edit in src/ takes effect after a restart, and never while cells
run.

To determine the types of variables, evcxr makes rust-analyzer read the sources of all dependencies and of
Rust's standard library: 240 crates and 140 MB, which takes most of a kernel's start. Therefore it only
sees the crates whose types cells use, through manifests and links in target/kernel/N/read. It would also
read the standard library twice, for evcxr's self-test `42` and for the prelude, so the library
(target/kernel/N/library) is empty until the prelude starts.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import front

ROOT = Path(__file__).resolve().parent.parent
SLOTS = ROOT / "target" / "kernel"

# The crates that rust-analyzer reads, because a `let` in a cell can have their types.
READ = ["anyhow", "image", "plotters", "tch"]
READ_OWN = ["ror", "ror-charts", "ror-distributed", "ror-frames", "ror-lab", "ror-layers", "ror-mtcnn", "ror-notebook", "ror-shards", "ror-utils"]
READ_FAMILY = "polars"  # its types are spread over several crates
# Crates that compute or read files; cells can't name anything in them.
UNREAD = ["arrow-format", "expr", "mem-engine", "ooc", "parquet", "parquet-format", "sql", "stream"]

FACADE = {
    # Only rust-analyzer sees this dependency, because it sets the cfg; cargo does not.
    "Cargo.toml": """\
[package]
name = "ror-in-cells"
version = "0.0.0"
edition = "2024"

[lib]
path = "lib.rs"

[target.'cfg(rust_analyzer)'.dependencies]
notebook = {{ package = "ror-notebook", path = "{slot}/read/ror-notebook" }}
""",
    "lib.rs": """\
extern crate notebook;
pub use notebook::*;
""",
    # Tells rustc where to find the library and its dependencies.
    "build.rs": """\
fn main() {{
    println!("cargo:rerun-if-changed={slot}/lib/{library}");
    for path in {search} {{
        println!("cargo:rustc-link-search={{path}}");
    }}
}}
""",
}

# Every kernel runs this when it starts. The `let` makes rust-analyzer read the sources before the first
# cell, `{:?}` shows an error with its causes, `eprintln` shows polars' in words, `println` tells the front
# about an error after `?`, and `format` shows a last expression that evcxr would show as text.
PRELUDE = """\
!ln -sfn read/rust {slot}/library
:efmt {{:?}}
:fmt {{0:?}}
:dep ror = {{ package = "ror-in-cells", path = "{slot}/ror" }}
use ror::prelude::*;
use ror::{{eprintln_in_cell as eprintln, format_in_cell as format, println_in_cell as println}};
ror::start();
let _ready = Ok::<(), std::fmt::Error>(())?;
"""


def write(path: Path, content: str) -> None:
    """Writes a file only if its content changes, because cargo compares modification times."""
    if not path.is_file() or path.read_text() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def take_slot() -> Path:
    """Locks the first free slot until this process and evcxr, which inherits the lock, have ended."""
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


def other_home() -> str:
    """Says so if the dependencies were compiled from the sources of another CARGO_HOME: cargo then compiles
    all of them again."""
    home = str(Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").resolve())
    made = [re.search(r"\S+(?=/registry/src/)", file.read_text()) for file in ROOT.glob("target/*/debug/deps/anyhow-*.d")]
    homes = {str(Path(found[0]).resolve()) for found in made if found}
    if not homes or home in homes:
        return ""
    return f"CARGO_HOME is {home}, but was {homes.pop()}, so all dependencies are compiled again, about ten minutes; "


def compile(report, group: int) -> list[dict]:
    """Compiles the crate, and returns cargo's messages. The processes belong to a process group."""
    # Beside ror-cli, as in setup/build.sh: alone, the dependencies have other features and compile again.
    command = ["cargo", "build", "--locked", "--package=ror-notebook", "--package=ror-cli", "--message-format=json-render-diagnostics"]
    # Only .cargo/config.toml counts, and not the tests' clippy, as in setup/env.sh.
    unset = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]
    unset += ["LIBTORCH", "RUSTC_WORKSPACE_WRAPPER"]
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    messages, said, why = [], tempfile.TemporaryFile("w+"), other_home()
    report(f"{why}the crate is compiled if it has changed")
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=said, text=True, process_group=group
    ) as cargo:
        for line in cargo.stdout:
            messages.append(json.loads(line))
            if messages[-1]["reason"] == "compiler-artifact" and not messages[-1]["fresh"]:
                report(f"{why}the crate is compiled, {messages[-1]['target']['name']} is done")
    said.seek(0)
    sys.stderr.write(words := said.read())
    if cargo.returncode != 0:
        raise RuntimeError(f"the crate could not be compiled: fix the errors and restart the kernel\n{words}")
    return messages


def build(folder: Path, report, group: int) -> tuple[str, list[str]]:
    """Compiles the crate and puts the libraries that cells link into `folder`.

    The project's own libraries are copied, because the next build must not affect a running kernel. Their
    dependencies are linked, because they are never overwritten under the same name. Returns the name of
    the shared library and the linker's search paths.
    """
    made, others, search = None, [], [str(folder)]
    for message in compile(report, group):
        if message["reason"] == "compiler-artifact":
            files = [Path(file) for file in message["filenames"]]
            if message["target"]["name"] == "notebook":
                made = next(path for path in files if path.suffix in [".so", ".dylib"])
            else:
                own = Path(message["manifest_path"]).is_relative_to(ROOT)
                others += [(path, own) for path in files if path.suffix in [".rlib", ".so", ".dylib"]]
        elif message["reason"] == "build-script-executed":
            search += message["linked_paths"]

    folder.mkdir(exist_ok=True)
    for path in [made, *(path for path, own in others if own)]:
        copied = folder / path.name
        if not copied.is_file() or (copied.stat().st_mtime_ns, copied.stat().st_size) != (
            path.stat().st_mtime_ns,
            path.stat().st_size,
        ):
            shutil.copy2(path, copied.with_suffix(".new"))
            os.replace(copied.with_suffix(".new"), copied)
    for path in (path for path, own in others if not own):
        if not (folder / path.name).is_symlink():
            (folder / path.name).symlink_to(path)
    return made.name, sorted(set(search))


def write_view(folder: Path) -> None:
    """Writes what rust-analyzer reads: a manifest for each crate in READ without other dependencies, a
    standard library with only alloc, core and std (not the instructions of every processor), and an
    empty standard library, `none`."""
    made_from = [path.read_bytes() for path in [*ROOT.glob("crates/*/Cargo.toml"), *(ROOT / n for n in ["Cargo.toml", "Cargo.lock", "setup/kernel.py"])]]
    made_from.append(f"{os.environ.get('CARGO_HOME')} {Path.home()}".encode())
    key = hashlib.sha256(b"".join(made_from))
    if (folder / "key").is_file() and (folder / "key").read_text() == key.hexdigest():
        return
    shutil.rmtree(folder, ignore_errors=True)
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform=host-tuple"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    packages = {package["id"]: package for package in metadata["packages"]}
    read = {
        node["id"]: node
        for node in metadata["resolve"]["nodes"]
        if (name := packages[node["id"]]["name"]) in [*READ_OWN, *READ]
        or (name.startswith(READ_FAMILY) and name.removeprefix(f"{READ_FAMILY}-") not in UNREAD)
    }
    for id, node in read.items():
        package = packages[id]
        library = next(target for target in package["targets"] if {"lib", "rlib"} & set(target["kind"]))
        features = [name for name in node["features"] if name != "default"]
        lines = [
            "[package]",
            *(f"{field} = {json.dumps(package[field])}" for field in ["name", "version", "edition"]),
            f"[lib]\npath = {json.dumps(library['src_path'])}",
            f"[features]\ndefault = {json.dumps(features)}",
            *(f"{json.dumps(name)} = []" for name in features),
            "[dependencies]",
        ]
        for dependency in node["deps"]:
            if dependency["pkg"] in read and any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                name = packages[dependency["pkg"]]["name"]
                lines.append(f'{dependency["name"]} = {{ package = "{name}", path = "{folder / name}" }}')
        write(folder / package["name"] / "Cargo.toml", "\n".join(lines) + "\n")

    sysroot = Path(subprocess.check_output(["rustc", "--print", "sysroot"], cwd=ROOT, text=True).strip())
    (folder / "none" / "core").mkdir(parents=True)
    (folder / "rust").mkdir()
    for name in ["alloc", "core", "std"]:
        (folder / "rust" / name).symlink_to(sysroot / "lib" / "rustlib" / "src" / "rust" / "library" / name)
    write(folder / "key", key.hexdigest())


def toolchain() -> dict[str, str]:
    """Returns variables that make evcxr's cargo (called by its path) and rust-analyzer's cargo (rustup's)
    use the same compiler. Otherwise cargo would query the compiler again at every change."""
    if not shutil.which("rustup"):
        return {}
    rustc = Path(subprocess.check_output(["rustup", "which", "rustc"], cwd=ROOT, text=True).strip())
    home = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
    return {"RUSTC": str(rustc), "RUSTUP_HOME": home, "RUSTUP_TOOLCHAIN": str(rustc.parent.parent)}


def install() -> None:
    """Writes the kernel's description to the project, where setup/env.sh makes Jupyter look for it. Two
    clones that share a Python environment each have their own."""
    spec = {
        "argv": [sys.executable, str(Path(__file__).resolve()), "{connection_file}"],
        "display_name": "Rust (ror)",
        "language": "rust",
        "interrupt_mode": "message",
    }
    write(ROOT / "target" / "jupyter" / "data" / "kernels" / "ror" / "kernel.json", json.dumps(spec, indent=2) + "\n")


def prepare(slot: Path, report, group: int) -> list[str]:
    """Prepares everything that evcxr needs, and returns its command."""
    library, search = build(slot / "lib", report, group)
    report("evcxr starts")
    write_view(slot / "read")
    # A notebook's folder may have its own evcxr.toml, which is read before the prelude.
    (slot / "library").unlink(missing_ok=True)
    (slot / "library").symlink_to("read/rust" if Path("evcxr.toml").exists() else "read/none")
    for name, text in FACADE.items():
        write(slot / "ror" / name, text.format(slot=slot, library=library, search=json.dumps(search)))
    write(slot / "evcxr.toml", f"[evcxr]\nprelude = '''\n{PRELUDE.format(slot=slot)}'''\n")

    # rust-analyzer reads every source below this folder, so it only contains cells.
    cells = slot / "cells"
    cells.mkdir(exist_ok=True)
    bin = Path(sys.prefix) / "bin"
    os.environ.update(
        EVCXR_TMPDIR=str(cells),
        EVCXR_CONFIG_DIR=str(slot),
        ROR_HOME=os.environ.get("ROR_HOME", str(ROOT)),
        ROR_PROGRAM=str(ROOT / "ror"),  # workers of a training
        PATH=f"{bin}{os.pathsep}{os.environ.get('PATH', '')}",
        JUPYTER_PATH=str(slot / "none"),  # prevents evcxr from updating kernels elsewhere
        LD_LIBRARY_PATH=f"{slot / 'lib'}{os.pathsep}{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(os.pathsep),
        MIMALLOC_ALLOW_THP="0",  # evcxr's allocator: zeroing huge pages takes a tenth of the start
        RUST_LIB_BACKTRACE="0",  # an error's message is enough
        RUST_SRC_PATH=str(slot / "library"),  # only for rust-analyzer
        RUSTFLAGS="--cfg rust_analyzer",  # for its `cargo metadata`; evcxr compiles with its own flags
    )
    for name in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"]:
        os.environ.pop(name, None)  # would override evcxr's own, or lint cells
    os.environ.update(toolchain())
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # see ./ror
    return [str(bin / "evcxr_jupyter"), "--control_file"]


def start(connection_file: str) -> None:
    slot = take_slot()
    sources = [ROOT / "src", *ROOT.glob("crates/*/src")]
    sys.exit(front.run(connection_file, lambda *how: prepare(slot, *how), "ror::start();", sources))


if __name__ == "__main__":
    if sys.argv[1] == "--install":
        install()
    else:
        start(sys.argv[1])
