"""Keeps the variables of a cell that fails.

After a `?`, evcxr drops all variables that the cell has defined. So each statement that can fail and comes
after a `let` is rewritten: before it returns the error, it puts these variables into evcxr's store. evcxr is
not told of the error then, and takes the variables for stored; those of the remaining statements are marked
as `NotKept`, so that it forgets them. If the code does not compile like this, the cell is run as it is:
nothing has run before.
"""

import re

from .rewrite import masked

ITEM = re.compile(
    r"(?:pub|fn|struct|enum|impl|trait|mod|use|extern|const|static|type|unsafe\s+(?:fn|impl|trait|extern)|async\s+fn|macro_rules!|#)(?!\w)"
)
BLOCK = re.compile(r"(?:'\w+\s*:\s*)?(?:for|while|loop|if|match|unsafe|\{)(?!\w)|" + ITEM.pattern)
LET = re.compile(r"let\s+((?:mut\s+)?[a-z_]\w*|\(\s*(?:(?:mut\s+)?[a-z_]\w*\s*,?\s*)+\))\s*(?::[^=]*)?=(?!=)")
TAKEN = re.compile(r"\b(?:return|await|yield)\b")


def statements(code: str) -> list[tuple[int, int]]:
    """Returns where the statements of masked code begin and end."""
    found, begin, depth = [], 0, 0
    for at, sign in enumerate(code):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        ends = sign == ";" and depth == 0
        if sign == "}" and depth == 0 and BLOCK.match(code[begin:].lstrip()):
            ends = not re.match(r"\s*(?:else\b|[.?])", code[at + 1 :])
        if ends:
            found.append((begin, at + 1))
            begin = at + 1
    if code[begin:].strip():
        found.append((begin, len(code)))
    return found


def keeping(code: str) -> str | None:
    """Returns a cell's code that keeps its variables if it fails. None if it can't, or has none to keep."""
    plain = masked(code)
    if re.search(r"^\s*:", plain, re.MULTILINE):
        return None  # a command of evcxr
    parts = [(code[begin:end], plain[begin:end]) for begin, end in statements(plain)]
    names = []  # that each statement defines
    for _, part in parts:
        found = LET.match(part.lstrip())
        names.append(re.findall(r"(?!mut\b)\b[a-z_]\w*", found[1]) if found else [])
    before, written, changed = [], [], False
    for i, (text, part) in enumerate(parts):
        later = [name for own in names[i:] for name in own]
        new = returning(text, part, list(dict.fromkeys(before)), later) if before and "?" in part else None
        written.append(new or text)
        changed |= new is not None
        before += [name for name in names[i] if name != "_"]
    return "".join(written) if changed else None


def returning(text: str, part: str, kept: list[str], later: list[str]) -> str | None:
    """Returns a statement that stores variables before it returns an error."""
    start = len(part) - len(part.lstrip())
    let = LET.match(part, start)
    if ITEM.match(part, start) or TAKEN.search(part) or (part[start:].startswith("let") and not let):
        return None
    begin = let.end() if let else start
    end = len(part.rstrip())
    semicolon = part[end - 1] == ";"
    if let and re.search(r"\belse\s*\{", part[begin:]) and not re.search(r"\bif\b", part[begin:]):
        return None
    store = "".join(f'evcxr_variable_store.put_variable("{name}", {name}); ' for name in kept)
    store += "".join(
        f'evcxr_variable_store.put_variable("{name}", ror::NotKept); ' for name in later if name not in kept and name != "_"
    )
    listed = ", ".join(f'"{name}"' for name in kept)
    return (
        f"{text[:begin]} match (|| -> ::std::result::Result<_, EvcxrUserCodeError> {{ Ok({{{text[begin : end - semicolon]}}}) }})() "
        f"{{ Ok(value) => value, Err(error) => {{ {store}ror::kept(&[{listed}]); return Err(error); }} }}"
        f"{text[end - semicolon :]}"
    )
