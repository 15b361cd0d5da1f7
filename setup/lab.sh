#!/usr/bin/env bash
# Opens JupyterLab with the notebook to start with; the others are beside it.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export npm_config_cache=$root/target/jupyter/npm # JupyterLab asks npm for its version
options=()
[ "$EUID" -ne 0 ] || options+=(--allow-root) # for example in a container
exec "$python" -m jupyterlab "${options[@]}" notebooks/project.ipynb
