"""A net as ONNX in onnxruntime beside the crate: python runtime.py PLACE NAME FOLDER"""

import json
import sys
from pathlib import Path

from given import REACH, YEARS, Given, apart, need

need("onnx", "onnxruntime")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402

place, name, folder = sys.argv[1:]
given, path = Given(Path(place) / name), f"{folder}/model.onnx"
onnx.checker.check_model(path, full_check=True)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
net = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
names = [output.name for output in net.get_outputs()]
found = {output: [] for output in names}
at, sizes = 0, [1, 2, 7]  # then batches of 100: any number is taken
while at < len(given.pictures):
    size = sizes.pop(0) if sizes else 100
    for output, value in zip(names, net.run(names, {"pictures": given.pictures[at : at + size]})):
        found[output].append(value)
    at += size
found = {output: np.concatenate(values) for output, values in found.items()}
config = json.loads(Path(folder, "config.json").read_text())
differences = [f"logits {apart(found['logits'], given.logits, REACH, f'{name}, logits'):.1e}"]
assert ("female" in found) == (given.female is not None) and ("age" in found) == (given.age is not None)
if given.female is not None:
    differences.append(f"female {apart(found['female'], given.female, REACH, f'{name}, female'):.1e}")
if given.age is not None:
    differences.append(f"years {apart(found['age'], given.age, YEARS, f'{name}, age'):.1e}")
    apart(found["ages"].sum(1), np.ones(len(given.pictures)), REACH, f"{name}, the sum of ages")
    apart(found["ages"] @ np.array(config["ages"]), given.age, YEARS, f"{name}, ages")
print(
    f"{name}, {len(given.pictures)} pictures, onnxruntime beside the crate: largest difference of "
    f"{', '.join(differences)}"
)
