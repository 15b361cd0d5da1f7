#!/usr/bin/env bash
# Installs the Python environment and the Rust kernel, and compiles the project. Skips finished steps.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

evcxr=0.22.0

# at_least 1.91 1.95.0: whether the second version is at least the first
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# --- prerequisites ---
[ "$(uname -s)" = Linux ] || [ -n "${ROR_UNTESTED:-}" ] ||
    fail "this is $(uname -s), but the project is only tested on Linux." \
        "Elsewhere it may not link PyTorch, load the crate's library into notebooks, or start ./ror." \
        "Use Linux, for example in a container, a virtual machine or WSL 2." \
        "To try anyway: ROR_UNTESTED=yes make setup"
case $root in
*[[:space:]]*) fail "the project's path contains a space: $root" \
    "The Rust kernel can't load cells from such a path. Move the project to another path." ;;
esac

command -v cargo >/dev/null && command -v rustc >/dev/null || fail "cargo or rustc was not found." \
    "Install Rust from https://rustup.rs, then open a new terminal."
wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)
rust=$(rustc --version | cut -d ' ' -f 2)
at_least "$wanted" "$rust" || fail "Rust $wanted or later is needed, but rustc is $rust." "Run: rustup update stable"

command -v c++ >/dev/null || fail "no C++ compiler was found (c++)." \
    "Debian, Ubuntu: sudo apt install g++" "Fedora: sudo dnf install gcc-c++" \
    "conda: conda install -c conda-forge gxx"

# The kernel needs these sources to determine the types of variables. Without them a `let` fails.
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
    say "installing the sources of Rust's standard library (rust-src) ..."
    rustup component add rust-src >&2 ||
        fail "the sources of Rust's standard library are missing: $(rustc --print sysroot)/lib/rustlib/src/rust/library" \
            "Notebooks can't keep variables without them." "With rustup, when online: rustup component add rust-src" \
            "Without rustup, install your distribution's package, which is often named rust-src."
fi

if [ ! -x "$python" ]; then
    base=$(command -v python3 || true)
    [ -n "$base" ] || fail "python3 was not found." "Install Python 3.11 or later."
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or later is needed, but python3 is $("$base" --version)." \
            "Install a newer one, or use conda: conda env create -f environment.yml && conda activate ror"
    "$base" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "python3 has no venv." "Debian, Ubuntu: sudo apt install python3-venv"
    say "creating the Python environment .venv ..."
    "$base" -m venv .venv || { rm -rf .venv; fail "the Python environment .venv could not be created."; }
fi

# --- the kernel: compiled while the Python packages are downloaded ---
compiling=
trap '[ -z "$compiling" ] || kill "$compiling" 2>/dev/null || true' EXIT
if ! grep -qs "\"evcxr_jupyter $evcxr " "$env/.crates.toml" || [ ! -x "$env/bin/evcxr_jupyter" ]; then
    # With less optimization it compiles in two thirds of the time and starts 0.7 s later.
    say "compiling the Rust kernel evcxr_jupyter $evcxr, about 5 minutes on 2 cores ..."
    # In another folder, because this project's .cargo/config.toml must not apply.
    (cd / && CARGO_PROFILE_RELEASE_OPT_LEVEL=1 exec cargo install "evcxr_jupyter@$evcxr" --locked --root "$env" --quiet) &
    compiling=$!
fi

# --- Python packages: the list in environment.yml ---
missing=$("$python" setup/packages.py)
if [ -n "$missing" ]; then
    [ "$env" = "$root/.venv" ] || fail "the conda environment $env lacks packages of environment.yml: ${missing//$'\n'/ }" \
        "Run: conda env update -f environment.yml" "or: conda deactivate, then make setup, which creates .venv"
    say "installing PyTorch and Jupyter into .venv meanwhile, 1 to 5 minutes ..."
    # shellcheck disable=SC2086  # one word per package
    "$python" -m pip install --quiet --no-cache-dir $missing ||
        fail "pip could not install the packages of environment.yml." "See above; then run make setup again."
fi
torch=$("$python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')
[ "$(readlink .libtorch || true)" = "$torch" ] || ln -sfn "$torch" .libtorch

# --- the face detector's weights ---
detector=models/detector/mtcnn.safetensors
if [ ! -e "$detector" ] || [ setup/detector.py -nt "$detector" ]; then
    "$python" setup/detector.py "$detector" ||
        fail "the face detector's weights could not be written to $detector." "See above; then run make setup again."
fi

# --- the kernel, continued ---
if [ -n "$compiling" ]; then
    wait "$compiling" || fail "evcxr_jupyter could not be compiled." "See above; then run make setup again."
fi
compiling=
"$python" setup/kernel.py --install

# --- dependencies, the library that cells link, and the program that ./ror runs ---
key=$(cat Cargo.toml crates/*/Cargo.toml Cargo.lock .cargo/config.toml <(rustc -vV) <(readlink -f .libtorch; echo "$root") | sha256sum)
if [ "$(cat target/ready 2>/dev/null)" != "$key" ] || [ ! -x target/bin/ror ]; then
    say "compiling the project and changed dependencies, at most about 6 minutes on 2 cores ..."
    setup/build.sh
    echo "$key" >target/ready
fi
