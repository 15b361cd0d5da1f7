"""An exported folder in Hugging Face's own loader, and its card read by its own reader: python hub.py FOLDER NAME"""

import json
import sys
from pathlib import Path

from given import need

need("huggingface_hub", "safetensors")
import torch  # noqa: E402
from huggingface_hub import ModelCard, PyTorchModelHubMixin  # noqa: E402

folder, name = Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(folder))  # its own ror.py
from ror import Ror  # noqa: E402

assert Path(sys.modules["ror"].__file__).parent.samefile(folder)
own = Ror.from_pretrained(folder)
# The mixin's loader, not ours in front of it.
theirs = PyTorchModelHubMixin.from_pretrained.__func__(Ror, str(folder), strict=True)
assert not theirs.training
assert own.state_dict().keys() == theirs.state_dict().keys()
for key, tensor in own.state_dict().items():
    assert torch.equal(tensor, theirs.state_dict()[key]), key

# Saved by the mixin it comes back, too.
again = folder.parent / "again"
theirs.save_pretrained(again)
for key, tensor in Ror.from_pretrained(again).state_dict().items():
    assert torch.equal(tensor, own.state_dict()[key]), key

data = ModelCard.load(folder / "README.md").data
assert data.model_name == name and data.license == "other" and data.pipeline_tag == "image-classification"
card = json.loads((Path(__file__).parents[2] / "models" / f"{name}.json").read_text())
wanted = {
    (test["protocol"], head["task"] if isinstance(head["task"], str) else "age-group", metric): head[field]["value"]
    for test in card["tests"]
    for head in test["heads"]
    for metric, field in [("accuracy", "accuracy"), ("mae", "mae"), ("one_off_accuracy", "one_off"), ("cs5", "cs5")]
    if head[field] is not None
}
found = {(r.dataset_config, r.task_name, r.metric_type): r.metric_value for r in data.eval_results}
assert wanted, "the card has no tests"
for key, value in wanted.items():
    assert abs(found[key] - value) < 1e-4, key
print(f"{len(found)} numbers")
