#!/usr/bin/env bash
# Times what a user waits for, beside rivals in an environment of the benchmark's own.
#   make bench                       decode load train predict folder kernel
#   make bench WAITS=fast            the fast training beside the original's net, about 10 minutes
#   make bench WAITS="photo photos"  photographs, from the folder that ROR_PHOTOS names
#   make bench WAITS=ranks           a training on two processes
#   make bench WAITS=shards          pictures a second by the shard, from UTKFace and ROR_PHOTOS
#   make bench WAITS="decode train"  some of them
#   make bench WAITS=nothing         make run from nothing, about 13 minutes
#   make bench WAITS=make            make run and make test when all is compiled, about 8 minutes
#   make bench WAITS=growth          how waits grow with pictures and pixels, about 5 minutes
#   make bench WAITS=figures         figures and table again from the files in benches/
#   make bench WAITS=resize          how far resized pictures are from Pillow's
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -n "${ROR_DATA:-}" ] || fail "the benchmark is of the real data." "Set ROR_DATA to UTKFace; see data/README.md."
rivals=$root/target/bench-env
beside "$rivals" benches/requirements.txt
# Its own list asks for a PyTorch of 2024.
"$rivals/bin/python" -m pip show --quiet facenet-pytorch ||
    "$rivals/bin/python" -m pip install --quiet --no-cache-dir --no-deps facenet-pytorch==2.6.0
# The rivals' net is the project's own in PyTorch.
export PYTHONPATH=$root/python
# torch.compile keeps what it has compiled.
export TORCHINDUCTOR_CACHE_DIR=$root/target/bench-env/inductor TF_CPP_MIN_LOG_LEVEL=3
# The profile that notebooks use, already compiled.
# shellcheck disable=SC2086  # one word a wait
PYTHON=$rivals/bin/python cargo bench --locked --profile dev --bench waits -- ${WAITS:-}
