#!/usr/bin/env bash
# Every check of the project. The first that fails ends it.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
skipped=()
step() { say "== $* [$((SECONDS / 60)):$(printf %02d $((SECONDS % 60)))]"; }

step "format"
cargo fmt --check

# Clippy compiles the tests, in place of rustc, so that all is compiled once and the dependencies not
# again; `cargo clippy` would check all of them. So with rustdoc, see rustdoc.sh.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
export CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__
export RUSTDOC=$root/setup/rustdoc.sh

step "lints (clippy), compiling the tests"
cargo test --locked --all-targets --no-run --quiet
step "unit and integration tests"
cargo test --locked --quiet --lib --bins --tests
step "documentation and its examples"
cargo test --locked --doc --quiet

# Kernels take the crate from the same build.
step "notebooks on synthetic data, two kernels at once"
# A home without a data set, even where data/ holds one.
synthetic() {
    env -u ROR_DATA ROR_HOME="$root/target/synthetic" ROR_MODELS="${ROR_MODELS:-$root/models}" \
        ROR_CACHE="${ROR_CACHE:-$root/data/cache}" \
        "$python" setup/run_notebook.py "$@" --to target/notebooks/synthetic
}
mkdir -p target/notebooks
synthetic tests/notebooks/*.ipynb >target/notebooks/second.log 2>&1 &
second=$!
synthetic notebooks/*.ipynb
wait "$second" || { cat target/notebooks/second.log; exit 1; }
cat target/notebooks/second.log

if [ -n "${ROR_DATA:-}" ]; then
    step "the notebooks on $ROR_DATA"
    "$python" setup/run_notebook.py notebooks/*.ipynb --to target/notebooks
else
    skipped+=("what needs UTKFace (parts of tests/utkface.rs and tests/shipped.rs and tests/protocols.rs, the notebooks on it): ROR_DATA is not set, see data/README.md")
fi

step "done"
for what in "${skipped[@]}"; do say "skipped: $what"; done
