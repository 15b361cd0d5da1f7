# Sourced by the other scripts. Sets the project's folder, the Python environment and the build settings.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"

say() { echo "$*" >&2; }
fail() {
    say "error: $1"
    shift
    for line in "$@"; do say "  $line"; done
    exit 1
}

# beside ENV LIST...: creates a Python environment with the packages of the lists in addition to the
# project's, unless it exists and the lists have not changed.
beside() {
    local to=$1
    shift
    if [ -x "$to/bin/python" ] && cat "$@" | cmp -s - "$to/requirements.txt"; then return; fi
    say "installing the packages of $* in $to, about a minute ..."
    rm -rf "$to"
    "$python" -m venv "$to"
    # PyTorch and Jupyter come from the project's environment.
    local where='import sysconfig; print(sysconfig.get_path("purelib"))'
    "$python" -c "$where" >"$("$to/bin/python" -c "$where")/project.pth"
    # shellcheck disable=SC2046  # two words per list
    "$to/bin/python" -m pip install --quiet --no-cache-dir $(printf -- '-r %s ' "$@")
    cat "$@" >"$to/requirements.txt"
}

# An active conda environment with PyTorch, such as that of environment.yml, otherwise .venv.
env=$root/.venv
if [ -n "${CONDA_PREFIX:-}" ] &&
    "$CONDA_PREFIX/bin/python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' 2>/dev/null; then
    env=$CONDA_PREFIX
fi
python=$env/bin/python
export PATH=$env/bin:$PATH

# Only .cargo/config.toml counts, so that cargo and the kernel use the same settings, and what the tests
# start uses the build of `make setup`.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR LIBTORCH
unset RUSTC_WORKSPACE_WRAPPER

# As ./ror does, where it is explained.
[ -n "${OMP_WAIT_POLICY:-}" ] || export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}

# Jupyter's files are in the project unless the user has set other folders. The kernel is always the
# project's, because Jupyter looks here first, so clones can share an environment.
export JUPYTER_PATH=$root/target/jupyter/data${JUPYTER_PATH:+:$JUPYTER_PATH}
export JUPYTER_CONFIG_DIR=${JUPYTER_CONFIG_DIR:-$root/target/jupyter/config}
export JUPYTER_DATA_DIR=${JUPYTER_DATA_DIR:-$root/target/jupyter/data}
export JUPYTER_RUNTIME_DIR=${JUPYTER_RUNTIME_DIR:-$root/target/jupyter/runtime}
export IPYTHONDIR=${IPYTHONDIR:-$root/target/jupyter/ipython}
mkdir -p target/jupyter
