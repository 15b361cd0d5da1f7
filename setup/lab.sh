#!/usr/bin/env bash
# Opens the notebooks in JupyterLab. After an edit in src/ the kernel compiles the crate when it starts,
# hence the long timeout.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export npm_config_cache=$root/target/jupyter/npm # JupyterLab asks npm for its version
options=()
[ "$EUID" -ne 0 ] || options+=(--allow-root) # for example in a container
exec "$python" -m jupyterlab --MappingKernelManager.kernel_info_timeout=600 "${options[@]}" notebooks/
