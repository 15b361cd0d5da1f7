#!/usr/bin/env bash
# Compiles the server and copies it to target/bin, where `./ror serve` runs it.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# One build at a time, as in build.sh.
exec 9>target/bin.lock
flock 9

say "compiling the server, once: about a minute ..."
# With -p, the features of other members would not count, and nearly all would be compiled once more.
cargo build --locked --quiet --workspace --bin ror-serve || fail "the server could not be compiled." "Fix the errors above and run the command again."
cp "target/$(rustc --print host-tuple)/debug/ror-serve" target/bin/ror-serve.new
mv target/bin/ror-serve.new target/bin/ror-serve
