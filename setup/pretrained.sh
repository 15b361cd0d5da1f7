#!/usr/bin/env bash
# Downloads the weights that pretrained networks start from, unless they exist already.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

file=${ROR_MODELS:-models}/pretrained/dlib-resnet.safetensors
[ -e "$file" ] || "$python" setup/pretrained.py "$file"
say "$file"
