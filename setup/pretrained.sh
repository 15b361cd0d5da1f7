#!/usr/bin/env bash
# Downloads the weights that trainings of pretrained networks start from, where they are not there yet.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

file=${ROR_MODELS:-models}/pretrained/dlib-resnet.safetensors
[ -e "$file" ] || "$python" setup/pretrained.py "$file"
say "$file"
