#!/usr/bin/env bash
# Executes the project's notebook without a browser.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
exec "$python" setup/run_notebook.py notebooks/project.ipynb --to target/notebooks
