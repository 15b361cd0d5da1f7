"""Keeps the variables of a cell that fails.

After a `?` or a panic, evcxr drops all variables that the cell has defined. So each statement that can fail
and comes after a `let` is rewritten: before it ends the cell, it puts these variables into evcxr's store.
evcxr is not told of the error then, and takes the variables for stored; those of the remaining statements are
marked as `NotKept`, so that it forgets them. If the code does not compile like this, because a statement moves
a variable, it is compiled again without keeping that one; otherwise as it is: nothing has run before.
"""

import re

from .rewrite import masked

ITEM = re.compile(
    r"(?:pub|fn|struct|enum|impl|trait|mod|use|extern|const|static|type|unsafe\s+(?:fn|impl|trait|extern)|async\s+fn|macro_rules!|#)(?!\w)"
)
BLOCK = re.compile(r"(?:'\w+\s*:\s*)?(?:for|while|loop|if|match|unsafe|\{)(?!\w)|" + ITEM.pattern)
LET = re.compile(r"let\s+((?:mut\s+)?[a-z_]\w*|\(\s*(?:(?:mut\s+)?[a-z_]\w*\s*,?\s*)+\))\s*(?::[^=]*)?=(?!=)")
TAKEN = re.compile(r"\b(?:return|await|yield)\b")
CALL = re.compile(r"\(|[\w)\]]\[")  # may panic: a call, a macro, an index
INDEX = re.compile(r"(?<=[\w)\]])\[\s*\w+\s*\]")
PRINT = re.compile(r"\s*e?print(?:ln)?!")
# Uses of variables that may move them. Keeping these would not compile, unless they are `Copy`.
MOVED = r"(?<![\w.&])(?<!&mut )(?:{0})\b(?:\s*(?:[,)}}\];]|$)|\.(?:lazy|into\w*)\(|\s*\{{)"


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


def names_of(part: str) -> list[str]:
    """Returns the names that a statement defines."""
    found = LET.match(part.lstrip())
    names = re.findall(r"(?!mut\b)\b[a-z_]\w*", found[1]) if found else []
    return [name for name in names if name != "_"]


def defined(code: str) -> set[str]:
    """Returns the names that the statements of a cell define."""
    plain = masked(code)
    return {name for begin, end in statements(plain) for name in names_of(plain[begin:end])}


def used_after_move(errors: list[dict]) -> set[str]:
    """Returns the variables that a cell moved and then used, by the errors of its compilation."""
    return {name for content in errors for name in re.findall(r"of moved value: `(\w+)`", content["evalue"])}


def keeping(code: str, without: set[str]) -> str | None:
    """Returns a cell's code that keeps its variables, but for some, if it fails. None if there are none to keep."""
    plain = masked(code)
    if re.search(r"^\s*:", plain, re.MULTILINE):
        return None  # a command of evcxr
    parts = [(code[begin:end], plain[begin:end]) for begin, end in statements(plain)]
    names = [names_of(part) for _, part in parts]
    every = dict.fromkeys(name for own in names for name in own)
    before, written, changed, moves = {}, [], False, False
    for (text, part), own in zip(parts, names):
        kept = [name for name in before if name not in without]
        if kept and not PRINT.match(part):
            used = INDEX.sub("[0]", part)
            moves |= bool(re.search(MOVED.format("|".join(kept)), used) or re.search(r"\bmove\b", used))
        # A panic is rarer than `?`, and not worth compiling the cell a second time.
        fails = "?" in part or (CALL.search(part) and not moves)
        put = {name: name if name in kept else "ror::NotKept" for name in every}
        new = returning(text, part, put, list(before)) if kept and fails else None
        written.append(new or text)
        changed |= new is not None
        before |= dict.fromkeys(own)
    return "".join(written) if changed else None


def returning(text: str, part: str, put: dict[str, str], defined: list[str]) -> str | None:
    """Returns a statement that, if it fails, stores values and tells which variables there were."""
    start = len(part) - len(part.lstrip())
    let = LET.match(part, start)
    if ITEM.match(part, start) or TAKEN.search(part) or (part[start:].startswith("let") and not let):
        return None
    begin = let.end() if let else start
    end = len(part.rstrip())
    semicolon = part[end - 1] == ";"
    if let and re.search(r"\belse\s*\{", part[begin:]) and not re.search(r"\bif\b", part[begin:]):
        return None
    store = "".join(f'evcxr_variable_store.put_variable("{name}", {value}); ' for name, value in put.items())
    listed = ", ".join(f'"{name}"' for name in defined)
    return (
        f"{text[:begin]} match ror::ran(|| -> ::std::result::Result<_, EvcxrUserCodeError> {{ Ok({{{text[begin : end - semicolon]}}}) }}) "
        f"{{ Some(value) => value, None => {{ {store}ror::kept(&[{listed}]); return Err(EvcxrUserCodeError {{}}); }} }}"
        f"{text[end - semicolon :]}"
    )
