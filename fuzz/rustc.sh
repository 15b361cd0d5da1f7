#!/usr/bin/env bash
# rustc for `setup/fuzz.sh` (RUSTC_WRAPPER): counts what is covered of this project's own crates, by
# LLVM's pass, which needs no nightly compiler. Generic code of others, decoders among it, is compiled
# in these and so counted too; the rest is what `cargo build` has compiled already.
case " $* " in
*" --crate-name ror "* | *" --crate-name archive "* | *" --crate-name imaging "* | *" --crate-name utils "* | *" --crate-name shards "* | *" --crate-name ror_fuzz "*)
    exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$@" ;;
esac
