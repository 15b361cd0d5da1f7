"""What to type instead of what people know from pandas, seaborn and Keras: the list in hints.toml."""

import re
import tomllib
from functools import cache
from pathlib import Path

from .rewrite import NO_CODE


@cache
def hints() -> list[dict]:
    found = tomllib.loads(Path(__file__).with_name("hints.toml").read_text())["hint"]
    return [each | {"typed": re.compile(each["typed"], re.MULTILINE)} for each in found]


def hint(code: str, error: str) -> str | None:
    """Returns a line for a cell that does not compile, if its code is what the list knows."""
    code = NO_CODE.sub(lambda found: '""' if '"' in found[0] else " ", code)
    for each in hints():
        if each["typed"].search(code) and each.get("error", "") in error:
            return f"Hint: {each['say']}: `{each['instead']}`\n"
    return None
