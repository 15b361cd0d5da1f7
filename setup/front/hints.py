"""What to type instead of what people know from pandas, seaborn and Keras: the list in hints.toml."""

import re
import tomllib
from functools import cache
from pathlib import Path

from .rewrite import NO_CODE

# What polars says of a column that a table does not have.
NO_COLUMN = re.compile(r'not found: "([^"\\\n]+)" not found')


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


def question(code: str, said: str, variables: dict[str, str]) -> str | None:
    """Returns code that tells the columns of a table, if a cell's error says that it lacks one, and a variable
    is the table or the data set of which it is."""
    if missing := NO_COLUMN.search(said):
        use = re.compile(rf'\b([a-z_]\w*)((?:\.records\(\))?)(?:\[|\.column\()"{re.escape(missing[1])}"')
        for name, records in use.findall(code):
            if variables.get(name, "").rpartition("::")[2] == ("Faces" if records else "DataFrame"):
                return f'ror::columns(&{name}{records}, "{missing[1]}")'
    return None
