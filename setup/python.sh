#!/usr/bin/env bash
# Prints the path of a Python with the packages for the Python examples, ONNX and Ray. Creates its
# environment, target/python-env, if needed. The project's environment is not changed.
#   ROR_PYTHON=$(setup/python.sh) make test ONLY=tests/python.rs
#   ROR_PYTHON=$(setup/python.sh) make test ONLY=tests/shards.rs
#   ROR_PYTHON=$(setup/python.sh) ./ror export pretrained-both --to FOLDER --format onnx
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
beside "$root/target/python-env" examples/python/requirements.txt examples/scale/requirements.txt
echo "$root/target/python-env/bin/python"
