#!/usr/bin/env bash
# `cargo test --doc` calls this instead of rustdoc. It first makes the documentation, with warnings as
# errors, from the compiled crates (`cargo doc` would check all dependencies), then runs the examples.
set -euo pipefail
doc=()
skip=
for argument in "$@"; do
    case $skip$argument in
    --test) ;;
    --test-run-directory | --test-runtool | --test-args) skip=yes ;;
    yes*) skip= ;;
    *) doc+=("$argument") ;;
    esac
done
if [ ${#doc[@]} -lt $# ]; then
    rustdoc "${doc[@]}" -D warnings --out-dir "$(dirname "$0")/../target/doc"
fi
exec rustdoc "$@"
