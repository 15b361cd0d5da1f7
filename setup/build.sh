#!/usr/bin/env bash
# Compiles the crate where it has changed, and puts its program into target/bin together with the
# shared library of Rust that it was linked with.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# One build at a time; the next then finds nothing to do.
mkdir -p target/bin
exec 9>target/bin.lock
flock 9

new=$root/target/bin.new
rm -rf "$new"
mkdir "$new"
touch "$new/started" # what is edited from now on is newer than the program

cargo build --locked || fail "the crate could not be compiled." "See above; then run the command again."
built=target/$(rustc --print host-tuple)/debug
cp "$built/ror" "$(rustc --print target-libdir)"/libstd-*.so "$new/"
"$new/ror" --version >/dev/null || fail "the program was compiled but does not start." "See above; if it goes on: make clean setup"

# Renamed, not overwritten, so that a program that runs keeps its own.
rm -rf target/bin.old
mv target/bin target/bin.old
mv "$new" target/bin
rm -rf target/bin.old
