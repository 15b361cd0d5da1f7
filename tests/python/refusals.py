"""What ror.py refuses, and in which words: python refusals.py FOLDER"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

import ror
from ror import Ror


def refused(error: type, words: str, call) -> None:
    try:
        call()
    except error as found:
        assert words in str(found), f"{found} lacks: {words}"
    else:
        raise AssertionError(f"not refused: {words}")


place, models = Path(sys.argv[1]), Path(ror.__file__).parents[1] / "models"
refused(FileNotFoundError, "choose from both-32px", lambda: Ror.from_pretrained("nobody"))
for name in ("both-32px.json", "both-32px.safetensors"):
    shutil.copy(models / name, place / name)
weights = place / "both-32px.safetensors"
whole = weights.read_bytes()
weights.write_bytes(whole[:-1000])
refused(ValueError, "checksum mismatch", lambda: Ror.from_pretrained(place / "both-32px.json"))
refused(ValueError, "cut off?", lambda: ror.read_safetensors(weights))
weights.unlink()
refused(FileNotFoundError, "both-32px.safetensors", lambda: Ror.from_pretrained(place / "both-32px.json"))
(place / "config.json").write_text('{"model_type": "another"}')
refused(ValueError, "config.json does not describe a network of ror.py", lambda: Ror.from_pretrained(place))
card = json.loads((models / "both-32px.json").read_text())
refused(ValueError, "keras_baseline", lambda: Ror({**card, "net": {**card["net"], "architecture": "keras_baseline"}}))

net, picture = Ror.from_pretrained("both-32px"), np.zeros((32, 32, 3), dtype=np.uint8)
assert net.predict([]) == [] and len(net.predict([picture] * 33)) == 33
refused(TypeError, "a list of images", lambda: net.predict("face.jpg"))
refused(ValueError, "uint8 (height, width, 3)", lambda: net.predict([picture.astype(np.float32)]))
refused(ValueError, "uint8 (height, width, 3)", lambda: net.predict([picture[:, :, 0]]))
refused(RuntimeError, "eval()", lambda: net.train().predict([picture]))
if ror.Hub is object:
    refused(FileNotFoundError, "no network somebody/net", lambda: Ror.from_pretrained("somebody/net"))
net.eval()
try:
    import PIL  # noqa: F401
except ImportError:
    refused(ImportError, "pip install pillow", lambda: net.predict(["face.jpg"]))
else:
    (place / "face.jpg").write_bytes(b"no picture")
    refused(OSError, "face.jpg as an image", lambda: net.predict([place / "face.jpg"]))
print("refused")
