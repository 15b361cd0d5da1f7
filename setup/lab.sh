#!/usr/bin/env bash
# Opens the notebooks. After an edit in src/ a kernel first compiles the crate, so it gets time to start.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
exec "$python" -m jupyter lab --MappingKernelManager.kernel_info_timeout=600 notebooks/
