#!/usr/bin/env bash
# Benchmarks what users wait for and compares it with other software, in a separate Python environment.
#   make bench                       decode load train predict folder kernel
#   make bench WAITS=busy            a training step beside another busy process
#   make bench WAITS=fast            the fast training and the original network, about 10 minutes
#   make bench WAITS="photo photos"  photos, from the folder ROR_PHOTOS
#   make bench WAITS=ranks           distributed training with two processes
#   make bench WAITS=shards          images per second for shards, from UTKFace and ROR_PHOTOS
#   make bench WAITS="decode train"  some of them
#   make bench WAITS=nothing         make run in a fresh clone, about 13 minutes
#   make bench WAITS=make            make run and make test when everything is compiled, about 8 minutes
#   make bench WAITS=growth          how times grow with images and pixels, about 5 minutes
#   make bench WAITS=figures         figures and table again from the files in benches/
#   make bench WAITS=resize          how much resized images differ from Pillow's
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -n "${ROR_DATA:-}" ] || fail "the benchmark needs UTKFace." "Set ROR_DATA to its path; see data/README.md."
rivals=$root/target/bench-env
beside "$rivals" benches/requirements.txt
# --no-deps, because it requires a PyTorch from 2024.
"$rivals/bin/python" -m pip show --quiet facenet-pytorch ||
    "$rivals/bin/python" -m pip install --quiet --no-cache-dir --no-deps facenet-pytorch==2.6.0
# PyTorch runs the project's own network, python/ror.py.
export PYTHONPATH=$root/python
# The cache of torch.compile.
export TORCHINDUCTOR_CACHE_DIR=$root/target/bench-env/inductor TF_CPP_MIN_LOG_LEVEL=3
# The profile of notebooks, which is compiled already.
# shellcheck disable=SC2086  # one word per benchmark
PYTHON=$rivals/bin/python cargo bench --locked --profile dev --bench waits -- ${WAITS:-}
