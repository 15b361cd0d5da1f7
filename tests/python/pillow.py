"""Counts the images of a folder that Pillow reads, and fails at the first one that it refuses."""

import sys
from pathlib import Path

from given import need

need("PIL")
from PIL import Image, ImageFile  # noqa: E402

assert not ImageFile.LOAD_TRUNCATED_IMAGES
paths = list(Path(sys.argv[1]).iterdir())
for path in paths:
    try:
        Image.open(path).load()
    except (OSError, SyntaxError) as error:
        sys.exit(f"{path}: {error}")
print(len(paths), "read")
