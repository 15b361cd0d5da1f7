#!/usr/bin/env bash
# Called by `cargo test --doc` in place of rustdoc: first makes the documentation, warnings denied,
# from what is compiled already (`cargo doc` would check all dependencies), then runs its examples.
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
