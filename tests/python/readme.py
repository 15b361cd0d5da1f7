"""The lines of README.md in a folder with a face.jpg: python readme.py FOLDER"""

import os
import runpy
import sys

from given import need

need("PIL")
os.chdir(sys.argv[1])
runpy.run_path("readme.py")
