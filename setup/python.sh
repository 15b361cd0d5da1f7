#!/usr/bin/env bash
# Prints the path of a Python that has what the examples in Python, ONNX and Ray need, in target/python-env;
# makes it where there is none. The project's own environment stays as it is.
#   ROR_PYTHON=$(setup/python.sh) make test ONLY=tests/python.rs
#   ROR_PYTHON=$(setup/python.sh) make test ONLY=tests/shards.rs
#   ROR_PYTHON=$(setup/python.sh) ./ror export both-64px --to FOLDER --format onnx
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
beside "$root/target/python-env" examples/python/requirements.txt examples/scale/requirements.txt
echo "$root/target/python-env/bin/python"
