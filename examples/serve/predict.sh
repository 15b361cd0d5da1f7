#!/bin/sh
# Predicts photos with a running server: examples/serve/predict.sh http://127.0.0.1:8000 PHOTO...
server=$1
shift
for photo in "$@"; do set -- "$@" --form "images=@$photo"; shift; done
curl --silent --show-error --fail "$@" "$server/v1/predict"
