"""Deals the contents of UTKFace into the parts of each protocol, and writes the lists beside this file.

    python data/protocols/deal.py UTKFace.tar.gz            # write the lists
    python data/protocols/deal.py UTKFace.tar.gz --check    # compare them with those that are here

The lists are what counts: the crate reads them and deals nothing. The rule:

- A content is a picture's SHA-256; one content stands for all its copies. Contents whose copies
  disagree on age or gender are left out: 23,094 of 23,318 remain.
- Contents form strata by age group (five years) and gender. In each stratum they are ranked by the
  first eight bytes, little-endian, of SHA-256(eight zero bytes + content in hexadecimal).
- A protocol takes its training part from the front of each stratum. A protocol whose nets start
  from nets of another one takes validation and test from what that other one holds for its test.
  So no net is selected or tested on a content that it, or a net it started from, was trained or
  selected on.
"""

import hashlib
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIGITS, IN_LINE = 10, 10
PARTS = ["train", "validation", "test"]


def rank(text: str) -> int:
    return int.from_bytes(hashlib.sha256(bytes(8) + text.encode()).digest()[:8], "little")


def pictures(archive: str) -> list[tuple[str, int, int, str]]:
    """Name, age, gender and content of each picture, in byte order of the names."""
    found = []
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and "jpg" in name:
                age, gender = name.split("_")[:2]
                content = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
                found.append((name, int(age), int(gender), content))
    return sorted(found, key=lambda picture: picture[0].encode())


def stratum(age: int, gender: int) -> int:
    return 2 * (max(min(age, 116) - 1, 0) // 5) + gender


def portions(sizes: list[int], total: int, room: list[int]) -> list[int]:
    """Divides `total` in proportion to `sizes`, at most `room` each, by the largest remainder."""
    everything = sum(sizes)
    out = [min(total * size // everything, most) for size, most in zip(sizes, room)]
    order = sorted(range(len(sizes)), key=lambda i: -(total * sizes[i] % everything))
    while sum(out) < total:
        for i in order:
            if sum(out) < total and out[i] < room[i]:
                out[i] += 1
    return out


def deal(strata: dict[int, list[str]], numbers: list[int]) -> list[set[str]]:
    """As many contents as each number says, from the front of every stratum; the rest is last."""
    keys = sorted(strata)
    sizes = [len(strata[key]) for key in keys]
    at, parts = [0] * len(keys), []
    for number in numbers:
        own = portions(sizes, number, [size - start for size, start in zip(sizes, at)])
        parts.append({c for key, a, n in zip(keys, at, own) for c in strata[key][a : a + n]})
        at = [a + n for a, n in zip(at, own)]
    return [*parts, {c for key, a in zip(keys, at) for c in strata[key][a:]}]


def balanced(found: list[tuple[str, int, int, str]]) -> set[str]:
    """The contents that the original's balancing leaves: 30 % of ages 24 to 28, half of 0 to 4, none over 60."""
    for youngest, oldest, share in [(24, 28, 0.3), (0, 4, 0.5)]:
        inside = sorted((rank(p[0]), p) for p in found if youngest <= p[1] <= oldest)
        dropped = {p for _, p in inside[round(len(inside) * share) :]}
        found = [p for p in found if p not in dropped]
    return {p[3] for p in found if p[1] <= 60}


def protocols(archive: str) -> dict[str, list[set[str]]]:
    found = pictures(archive)
    labels = defaultdict(set)
    for _, age, gender, content in found:
        labels[content].add((age, gender))
    strata = defaultdict(list)
    for content in sorted((c for c in labels if len(labels[c]) == 1), key=rank):
        strata[stratum(*next(iter(labels[content])))].append(content)

    def among(chosen: set[str]) -> dict[int, list[str]]:
        some = {key: [c for c in contents if c in chosen] for key, contents in strata.items()}
        return {key: contents for key, contents in some.items() if contents}

    everything = {c for contents in strata.values() for c in contents}
    count = len(everything)
    adults = {c for c in everything if 21 <= next(iter(labels[c]))[0] <= 60}

    # What the nets for `random-80-10-10` and `age-21-60` start from.
    tenth, fifth = round(count * 0.1), round(count * 0.2)
    shared = deal(strata, [count - tenth - fifth, tenth])
    held_out = shared[2]
    random = [shared[0] | shared[1], *deal(among(held_out), [len(held_out) // 2])]
    old = held_out & adults
    age_21_60 = [(shared[0] | shared[1]) & adults, *deal(among(old), [len(old) // 4])]

    # The original's; its age net starts from its gender net.
    gender = deal(strata, [14_000, 3_500])
    few = balanced(found) & everything
    ours = few & gender[2]
    age = [deal(among(few - ours), [9_000])[0], *deal(among(ours), [len(ours) // 3])]
    return {
        "original-gender": gender,
        "original-age": age,
        "random-80-10-10": random,
        "age-21-60": age_21_60,
        "shared-70-10-20": shared,
    }


def listing(name: str, parts: list[set[str]]) -> str:
    lines = [
        f"# Protocol {name}: the contents of each part, by the first {DIGITS} digits of the SHA-256 of the",
        "# picture's file. Made by: python data/protocols/deal.py UTKFace.tar.gz",
    ]
    for part, contents in zip(PARTS, parts):
        lines.append(f"{part} {len(contents)}")
        digits = sorted(content[:DIGITS] for content in contents)
        lines += [" ".join(digits[i : i + IN_LINE]) for i in range(0, len(digits), IN_LINE)]
    return "\n".join(lines) + "\n"


def main() -> None:
    different = []
    for name, parts in protocols(sys.argv[1]).items():
        text, path = listing(name, parts), HERE / f"{name}.txt"
        print(f"{name}: {' / '.join(f'{len(part):,}' for part in parts)}")
        if "--check" not in sys.argv:
            path.write_text(text)
        elif path.read_text() != text:
            different.append(name)
    if different:
        sys.exit(f"error: {', '.join(different)}: not what is listed here")


if __name__ == "__main__":
    main()
