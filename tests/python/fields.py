"""What ror.py reads off a distribution, beside `ror predict --aligned --json`: python fields.py PLACE NAME...

The lines come from the program, which predicts in bf16 where the processor has it.
"""

import json
import sys
from pathlib import Path

from given import Given, apart

from ror import Ror

for name in sys.argv[2:]:
    folder = Path(sys.argv[1]) / name
    net, given = Ror.from_pretrained(name), Given(folder)
    lines = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    faces = net.predict(list(given.pictures))
    assert len(lines) == len(faces) > 0
    for line, face in zip(lines, faces):
        assert set(line) - {"path"} == set(face), (set(line), set(face))
        # The crate's own numbers read by ror.py's rules.
        groups = [probability for _, probability in line["groups"]]
        assert [group for group, _ in line["groups"]] == net.age_groups
        assert line["group"] == net.group_of(round(line["age"]))
        assert line["age_group"] == net.age_groups[line["group"]]
        apart([net.quantile(groups, share) for share in (0.1, 0.9)], line["age_range"], 1e-9, "age_range")
        # From pictures, within what bf16 costs: in years, much where probabilities are low.
        apart(face["female"], line["female"], 0.05, "female")
        apart(face["age"], line["age"], 2.0, "age")
        for end, share in zip(face["age_range"], (0.1, 0.9)):
            low, high = (net.quantile(groups, share + off) for off in (-0.05, 0.05))
            assert low <= end <= high, f"age_range: {end} is not between {low} and {high}"
print(f"{len(lines)} lines")
