"""An example where what it needs is installed: python example.py MODULE EXAMPLE ARGUMENT..."""

import runpy
import sys

from given import need

need(sys.argv[1], "PIL")
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
