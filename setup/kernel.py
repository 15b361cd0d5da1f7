"""Starts the Rust kernel of a notebook (the `argv` of kernel.json).

    python setup/kernel.py CONNECTION_FILE
    python setup/kernel.py --install    # write the kernel.json of this clone

The process stays as the front of the kernel, which front.py describes. Behind it, evcxr compiles
every cell with cargo, in target/kernel/N/cells, of the first N that no other kernel uses. Nothing but
cells is compiled there: what they know as `ror` is a crate of two lines that names the shared
library `cargo build` makes. The library is copied when the kernel starts, so an edit in src/
reaches the kernel with a restart, and never while its cells run.

To learn the types of variables, evcxr has rust-analyzer read the sources of all dependencies and
of Rust's library: 240 crates and 140 MB, which is most of a kernel's start. So it is shown only
the crates whose types cells meet, by manifests and links of our own in target/kernel/N/read. It also
reads Rust's library twice, for the `42` by which evcxr tries itself and for the prelude, so there is
none (target/kernel/N/library) until the prelude begins.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import front

ROOT = Path(__file__).resolve().parent.parent
SLOTS = ROOT / "target" / "kernel"

# What rust-analyzer reads: the crates whose types a `let` in a cell can have.
READ = ["anyhow", "image", "plotters", "tch"]
READ_OWN = ["ror", "ror-lab", "ror-mtcnn", "ror-notebook", "ror-shards", "ror-utils"]
READ_FAMILY = "polars"  # its types are spread over crates of its own
# Those that compute, or read files: nothing that cells can name comes from them.
UNREAD = ["arrow-format", "expr", "mem-engine", "ooc", "parquet", "parquet-format", "sql", "stream"]

FACADE = {
    # cargo, which compiles, sees no dependency here; rust-analyzer, which sets the cfg, does.
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
    # Where rustc finds the library and what that was compiled and linked with.
    "build.rs": """\
fn main() {{
    println!("cargo:rerun-if-changed={slot}/lib/{library}");
    for path in {search} {{
        println!("cargo:rustc-link-search={{path}}");
    }}
}}
""",
}

# Run by every kernel when it starts, so that the first `let` has rust-analyzer read before the
# first cell; `{:?}` shows an error with its causes, and `println` tells the front of one behind `?`.
PRELUDE = """\
!ln -sfn read/rust {slot}/library
:efmt {{:?}}
:dep ror = {{ package = "ror-in-cells", path = "{slot}/ror" }}
use ror::prelude::*;
use ror::println_in_cell as println;
ror::start();
let _ready = Ok::<(), std::fmt::Error>(())?;
"""


def write(path: Path, content: str) -> None:
    """Writes a file where it differs, because cargo goes by the time of a file."""
    if not path.is_file() or path.read_text() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def take_slot() -> Path:
    """Locks the first free slot for the life of this process and of evcxr, which inherits the lock."""
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


def build(folder: Path) -> tuple[str, list[str]]:
    """Compiles the crate where src/ has changed, and brings `folder` what cells link.

    The project's own libraries are copied, for the next build must not reach a running kernel; those
    they depend on are never written again under the same name, so a link will do. Returns the name of
    the shared library and where the linker looks.
    """
    command = ["cargo", "build", "--locked", "--package=ror-notebook", "--message-format=json-render-diagnostics"]
    # .cargo/config.toml is what counts, as in setup/env.sh.
    unset = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "LIBTORCH"]
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("error: the crate could not be compiled, see above; mend it and start the kernel again")
    made, others, search = None, [], [str(folder)]
    for line in done.stdout.splitlines():
        message = json.loads(line)
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
    """Writes what rust-analyzer reads: for each crate in READ a manifest without other dependencies,
    and Rust's library without what no cell names, such as every instruction of every processor; beside
    it, as `none`, a library that is empty."""
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
    """What has evcxr's cargo, which it calls by its path, and rust-analyzer's, which is rustup's, see
    the same compiler: cargo asks it what it can whenever that seems another than the last time."""
    if not shutil.which("rustup"):
        return {}
    rustc = Path(subprocess.check_output(["rustup", "which", "rustc"], cwd=ROOT, text=True).strip())
    home = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
    return {"RUSTC": str(rustc), "RUSTUP_HOME": home, "RUSTUP_TOOLCHAIN": str(rustc.parent.parent)}


def install() -> None:
    """Writes the kernel's description into the project, where setup/env.sh has Jupyter look for it:
    two clones that share a Python environment each have their own."""
    spec = {
        "argv": [sys.executable, str(Path(__file__).resolve()), "{connection_file}"],
        "display_name": "Rust (ror)",
        "language": "rust",
        "interrupt_mode": "message",
    }
    write(ROOT / "target" / "jupyter" / "data" / "kernels" / "ror" / "kernel.json", json.dumps(spec, indent=2) + "\n")


def start(connection_file: str) -> None:
    slot = take_slot()
    library, search = build(slot / "lib")
    write_view(slot / "read")
    # A notebook's folder may have an evcxr.toml of its own, which goes before the prelude.
    (slot / "library").unlink(missing_ok=True)
    (slot / "library").symlink_to("read/rust" if Path("evcxr.toml").exists() else "read/none")
    for name, text in FACADE.items():
        write(slot / "ror" / name, text.format(slot=slot, library=library, search=json.dumps(search)))
    write(slot / "evcxr.toml", f"[evcxr]\nprelude = '''\n{PRELUDE.format(slot=slot)}'''\n")

    # rust-analyzer reads every source below the folder of cells: there is nothing else in it.
    cells = slot / "cells"
    cells.mkdir(exist_ok=True)
    bin = Path(sys.prefix) / "bin"
    os.environ.update(
        EVCXR_TMPDIR=str(cells),
        EVCXR_CONFIG_DIR=str(slot),
        ROR_HOME=os.environ.get("ROR_HOME", str(ROOT)),
        ROR_PROGRAM=str(ROOT / "ror"),  # workers of a training
        PATH=f"{bin}{os.pathsep}{os.environ.get('PATH', '')}",
        JUPYTER_PATH=str(slot / "none"),  # keeps evcxr from updating kernels elsewhere
        LD_LIBRARY_PATH=f"{slot / 'lib'}{os.pathsep}{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(os.pathsep),
        MIMALLOC_ALLOW_THP="0",  # evcxr's allocator: clearing huge pages took a tenth of a start
        RUST_LIB_BACKTRACE="0",  # an error's message is enough
        RUST_SRC_PATH=str(slot / "library"),  # of rust-analyzer alone
        RUSTFLAGS="--cfg rust_analyzer",  # for its `cargo metadata`; evcxr compiles with flags of its own
    )
    for name in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"]:
        os.environ.pop(name, None)  # would go before evcxr's own, or lint cells
    os.environ.update(toolchain())
    kernel = str(bin / "evcxr_jupyter")
    sys.exit(front.run(connection_file, [kernel, "--control_file"]))


if __name__ == "__main__":
    if sys.argv[1] == "--install":
        install()
    else:
        start(sys.argv[1])
