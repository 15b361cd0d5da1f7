#!/usr/bin/env bash
# Runs every check of the project and stops at the first failure.
#   make test                                all of them
#   make test ONLY=src/plot                  the unit tests of a module (or src/plot/chart.rs)
#   make test ONLY=tests/training.rs         the tests of a file
#   make test ONLY=notebooks/project.ipynb   a notebook on synthetic data
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
step() { say "== $* [$((SECONDS / 60)):$(printf %02d $((SECONDS % 60)))]"; }

# Clippy replaces rustc when compiling the tests, so that everything is compiled only once; `cargo
# clippy` would check all dependencies again. The same applies to rustdoc, see rustdoc.sh.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
export CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__
export RUSTDOC=$root/setup/rustdoc.sh

# Runs a script without a data set, even if data/ contains one.
without_data() {
    env -u ROR_DATA ROR_HOME="$root/target/synthetic" ROR_MODELS="${ROR_MODELS:-$root/models}" \
        ROR_CACHE="${ROR_CACHE:-$root/data/cache}" "$python" "$@"
}
synthetic() {
    without_data setup/run_notebook.py "$@" --to target/notebooks/synthetic
}

# Tests a part of a crate. Beside ror-cli, which depends on all, nothing is compiled with other features.
part() {
    local package=$1
    shift
    cargo test --locked -p "$package" -p ror-cli "$@"
}

if [ -n "${ONLY:-}" ]; then
    crate=${ONLY#crates/} crate=${crate%%/*}
    case $ONLY in
    *.ipynb) synthetic "$ONLY" ;;
    tests/*.rs)
        cargo build --locked --profile test --examples --quiet
        cargo test --locked --test "$(basename "$ONLY" .rs)"
        ;;
    crates/*/tests/*.rs) part "ror-$crate" --test "$(basename "$ONLY" .rs)" ;;
    crates/*)
        targets=()
        [ ! -e "crates/$crate/src/lib.rs" ] || targets+=(--lib)
        [ ! -e "crates/$crate/src/main.rs" ] || targets+=(--bins)
        for file in "crates/$crate"/tests/*.rs; do
            [ ! -e "$file" ] || targets+=(--test "$(basename "$file" .rs)")
        done
        part "ror-$crate" "${targets[@]}"
        ;;
    *) # a file or folder of src/ is a module
        module=${ONLY#src/} module=${module%/} module=${module%.rs} module=${module%/mod}
        part ror --lib -- "${module//\//::}"
        ;;
    esac
    exit
fi

step "format"
cargo fmt --all --check
step "a kernel starts without compiling what the program's build has compiled"
setup/build.sh
again=$("$python" setup/run_notebook.py 2>&1 | grep Compiling || true)
[ -z "$again" ] || fail "it compiles:" "$again"
step "lints (clippy), compiling the tests"
cargo test --locked --workspace --lib --bins --tests --benches --no-run --quiet
cargo build --locked --workspace --profile test --examples --quiet # tests/examples.rs runs them
step "unit and integration tests"
# Two groups at once, because these mostly wait: for kernels, other ranks and slow clients.
waiting=(kernel limits live ranks)
front=() back=()
for file in tests/*.rs crates/*/tests/*.rs; do
    name=$(basename "$file" .rs)
    case " ${waiting[*]} " in
    *" $name "*) back+=(--test "$name") ;;
    *) front+=(--test "$name") ;;
    esac
done
mkdir -p target/notebooks
cargo test --locked --quiet --workspace "${back[@]}" --no-fail-fast >target/notebooks/second.log 2>&1 &
second=$!
status=0
cargo test --locked --quiet --workspace --lib --bins "${front[@]}" --no-fail-fast || status=$?
wait "$second" || status=$?
cat target/notebooks/second.log
[ $status = 0 ] || exit $status
step "the C++ shim under AddressSanitizer"
status=0
crates/c10d/sanitize/run.sh "$root/.libtorch" target/shim-sanitized || status=$?
case $status in
0) ;;
77) skipped="the C++ shim under AddressSanitizer; " ;;
*) exit $status ;;
esac
step "documentation and its examples"
cargo test --locked --workspace --doc --quiet

step "a project that depends on the library"
setup/dependent.sh

own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT

# Not at the same time as the tests: if sources have changed, this replaces the library they use.
step "the installed program predicts a photo"
setup/install.sh "$own"
(cd "$own" && env -u ROR_HOME -u ROR_MODELS bin/ror predict "$root/tests/photos/plain.jpg") |
    grep " years (80 %" || fail "the installed program found no face."

# The kernels use the same build.
step "notebooks on synthetic data, two at once"
synthetic notebooks/*.ipynb tests/notebooks/*.ipynb --jobs 2

# With the models just installed, so that it has to train: a loaded model shows no progress.
step "a training watched and stopped in JupyterLab"
status=0
ROR_MODELS=$own/share/ror/models without_data tests/browser/train.py notebooks/project.ipynb || status=$?
case $status in
0) ;;
77) skipped+="a training in JupyterLab: there is no Chromium (apt-get install chromium); " ;;
*) exit $status ;;
esac

step "a slider dragged, and hostile file names shown, in JupyterLab"
without_data tests/browser/names.py >target/notebooks/second.log 2>&1 &
second=$!
status=0
without_data tests/browser/interact.py || status=$?
case $status in
0 | 77) ;; # the step before has said that there is no Chromium
*) exit $status ;;
esac
wait "$second" || [ $status = 77 ] || { cat target/notebooks/second.log; exit 1; }
cat target/notebooks/second.log

if [ -n "${ROR_DATA:-}" ]; then
    step "the notebooks on $ROR_DATA"
    "$python" setup/run_notebook.py notebooks/*.ipynb --to target/notebooks --jobs 2
else
    skipped+="tests that need UTKFace (parts of tests/utkface.rs, tests/shipped.rs and tests/protocols.rs, the notebooks on it): ROR_DATA is not set, see data/README.md"
fi

step "done"
[ -z "${skipped:-}" ] || say "skipped: $skipped"
