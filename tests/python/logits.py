"""ror.py beside the crate, net by net: python logits.py PLACE NAME..."""

import sys
from pathlib import Path

import torch
from given import REACH, YEARS, Given, apart

from ror import Ror

torch.set_num_threads(1)
for name in sys.argv[2:]:
    given, net = Given(Path(sys.argv[1]) / name), Ror.from_pretrained(name)
    with torch.inference_mode():
        parts = torch.from_numpy(given.pictures).split(100)
        logits = torch.cat([net(part) for part in parts])
    differences = [f"logits {apart(logits, given.logits, REACH, f'{name}, logits'):.1e}"]
    faces = net.predict(list(given.pictures))
    if given.female is not None:
        own = [face["female"] for face in faces]
        differences.append(f"female {apart(own, given.female, REACH, f'{name}, female'):.1e}")
        assert [face["gender"] for face in faces] == ["female" if p > 0.5 else "male" for p in own]
    if given.age is not None:
        own = [[probability for _, probability in face["groups"]] for face in faces]
        differences.append(f"groups {apart(own, given.groups, REACH, f'{name}, groups'):.1e}")
        assert [face["group"] for face in faces] == [net.group_of(round(age)) for age in given.age]
        own = [face["age"] for face in faces]
        differences.append(f"years {apart(own, given.age, YEARS, f'{name}, age'):.1e}")
    print(f"{name}, {len(faces)} pictures, ror.py beside the crate: largest difference of {', '.join(differences)}")
