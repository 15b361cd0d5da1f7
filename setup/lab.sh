#!/usr/bin/env bash
# Opens the notebooks. After an edit in src/ a kernel first compiles the crate, so it gets time to start.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export npm_config_cache=$root/target/jupyter/npm # JupyterLab asks npm for its version
options=()
[ "$EUID" -ne 0 ] || options+=(--allow-root) # in a container, say
exec "$python" -m jupyterlab --MappingKernelManager.kernel_info_timeout=600 "${options[@]}" notebooks/
