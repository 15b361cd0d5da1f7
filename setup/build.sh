#!/usr/bin/env bash
# Compiles the crate and copies its program to target/bin, with the Rust shared library that it links.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# One build at a time.
mkdir -p target/bin
exec 9>target/bin.lock
flock 9

new=$root/target/bin.new
rm -rf "$new"
mkdir "$new"
touch "$new/started" # files edited from now on are newer than the program

cargo build --locked || fail "the crate could not be compiled." "Fix the errors above and run the command again."
built=target/$(rustc --print host-tuple)/debug
# Where it was compiled.
echo "$root" >"$new/root"
cp "$built/ror" "$(rustc --print target-libdir)"/libstd-*.so "$new/"
"$new/ror" --version >/dev/null || fail "the program was compiled but does not start." "See above; if this persists, run: make clean setup"

# Renamed instead of overwritten, so that running programs keep their files.
rm -rf target/bin.old
mv target/bin target/bin.old
mv "$new" target/bin
rm -rf target/bin.old
