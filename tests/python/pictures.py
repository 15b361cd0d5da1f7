"""Reads and refuses the images that the crate does: python pictures.py FOLDER ANSWERS NAME"""

import json
import sys
from pathlib import Path

from given import need

need("PIL")
from ror import Ror  # noqa: E402

folder, answers, name = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3]
net, read, refused = Ror.from_pretrained(name), 0, 0
for file, answer in answers.items():
    try:
        (face,) = net.predict([folder / file])
    except OSError as error:
        assert answer.get("error"), f"{file} is refused: {error}"
        refused += 1
    else:
        assert not answer.get("error"), f"{file} is read, but the crate says: {answer['error']}"
        assert abs(face["age"] - answer["age"]) < 1.5, f"{file}: {face['age']} instead of {answer['age']} years"
        read += 1
print(f"{read} read, {refused} refused")
