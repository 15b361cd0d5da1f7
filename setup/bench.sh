#!/usr/bin/env bash
# Times what a user waits for, beside Pillow in an environment of the benchmark's own.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -n "${ROR_DATA:-}" ] || fail "the benchmark is of the real data." "Set ROR_DATA to UTKFace; see data/README.md."
rivals=$root/target/bench-env
if [ ! -x "$rivals/bin/python" ] || ! cmp -s benches/requirements.txt "$rivals/requirements.txt"; then
    say "installing the benchmark's rivals into target/bench-env, a minute ..."
    rm -rf "$rivals"
    "$python" -m venv "$rivals"
    "$rivals/bin/python" -m pip install --quiet --no-cache-dir -r benches/requirements.txt
    cp benches/requirements.txt "$rivals/"
fi
# The profile that notebooks use, already compiled.
PYTHON=$rivals/bin/python cargo bench --locked --profile dev --bench waits
