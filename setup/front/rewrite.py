"""What evcxr says, in the notebook's words: its errors, completions and help."""

import re
from functools import cached_property
from pathlib import Path

COLOR = re.compile(r"\x1b\[[0-9;]*m")
# Strings, characters and comments, in which nothing is code.
NO_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\bb?r(\#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\[^']+|[^'\\])'""", re.DOTALL
)
STDIN = re.compile(r"(?<![\w.:])(?:(?:::\s*)?(?:std\s*::\s*)?io\s*::\s*stdin\b|stdin(?=\s*\(\s*\)))")
# What every value has; nobody looks for it.
COMMON = "borrow borrow_mut clone clone_from clone_into from into into_drawing_area output output_of_all to_owned try_from try_into type_id"


def variables(text: str) -> dict[str, str]:
    """Returns the names and types in the answer to evcxr's command `:vars`."""
    lines = [line.split(": ", 1) for line in text.splitlines() if re.match(r"[a-z]\w*: ", line)]
    return {name: of for name, of in lines}


def masked(code: str) -> str:
    """Returns code of the same length with spaces for strings, characters and comments."""
    return NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), code)


def without_stdin(code: str) -> str:
    """Returns a cell's code with an error for standard input, which belongs to evcxr: reading it would wait
    for a line that nobody types."""
    if re.search(r"\bfn\s+stdin\b", code):
        return code
    for found in reversed([*STDIN.finditer(masked(code))]):
        code = f"{code[: found.start()]}ror::stdin{code[found.end() :]}"
    return code


def listed(names) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def not_kept(names: set[str]) -> str:
    """Tells which variables a cell that failed did not keep."""
    return f"Not kept, because the cell failed: {listed(names)}. Give what takes long its own cell.\n"


def moved(names: set[str]) -> str:
    """Tells which variables a cell moved."""
    one = sorted(names)[0]
    return f"Moved by this cell and gone: {listed(names)}. To keep it, pass `&{one}` or `{one}.clone()`.\n"


def error(content: dict, count: int, moved: dict[str, int]) -> dict:
    """Returns an error that names the notebook's cell and line. evcxr always names line 1."""
    traceback = []
    for i, line in enumerate(content["traceback"]):
        numbers = (re.match(r"\s*(\d+) │", COLOR.sub("", each)) for each in content["traceback"][i:])
        number = next((found[1] for found in numbers if found), 1)
        line = re.sub(r"`evcxr_\w+`", "the end of the cell", line)
        traceback.append(re.sub(r"command_\d+:\d+:\d+", f"cell [{count}], line {number}", line))
    if not any(f"cell [{count}]" in line for line in traceback):
        traceback.append(f"in cell [{count}]")
    for name, cell in moved.items():
        if f"`{name}`" in content["evalue"]:
            traceback.append(f"`{name}` was moved by cell [{cell}]: run the cell that defines it again")
    return content | {"traceback": traceback}


def help(content: dict) -> dict:
    """Returns the answer to an inspection without the hidden lines of examples."""
    hidden = lambda text: re.sub(r"(?m)^# .*\n?|^#$\n?", "", text)
    data = dict(content.get("data", {}))
    if "text/html" in data:
        code = re.compile(r"<pre><code>.*?</code></pre>", re.DOTALL)
        data["text/html"] = code.sub(lambda found: hidden(found[0].replace("<code># ", "<code>\n# ")), data["text/html"])
    if "text/plain" in data:
        data["text/plain"] = hidden(data["text/plain"])
    return content | {"data": data}


class Names:
    """The names that are public and private in folders of sources."""

    def __init__(self, folders: list[Path]):
        self.folders = folders

    @cached_property
    def found(self) -> tuple[set[str], dict[str, set[str]]]:
        """Public names, and private ones by the type or module they belong to."""
        public, private, types = set(), {}, {}
        for file in (file for folder in self.folders for file in folder.rglob("*.rs")):
            text = file.read_text(encoding="utf-8").split("\n#[cfg(test)]\nmod tests")[0]
            public |= set(re.findall(r"^\s*pub (?:const |unsafe )*(?:fn|mod|const|static|type) (\w+)", text, re.M))
            module = private.setdefault(file.parent.name if file.stem in ["mod", "lib"] else file.stem, set())
            module |= {f"{name}::" for name in re.findall(r"^(?:pub\([^)]*\) )?mod (\w+)", text, re.M)}
            of_types = re.findall(r"^(?:impl(?:<[^{]*>)?|pub struct) (\w+)(?:<[^{;]*>)? \{\n(.*?)^}", text, re.M | re.S)
            for of, body in of_types:
                all = set(re.findall(r"^    (?:pub(?:\([^)]*\))? )?(?:const )?(?:fn )?(\w+)[(<:]", body, re.M))
                open = set(re.findall(r"^    pub (?:const )?(?:fn )?(\w+)[(<:]", body, re.M))
                types.setdefault(of, (set(), set()))
                types[of][0].update(all)
                types[of][1].update(open)
        private |= {of: all - open for of, (all, open) in types.items()}
        return public, private

    def sorted(self, content: dict, code: str, kinds: dict[str, str]) -> dict:
        """Sorts completions: our public names, others, and last what every value has. Drops private names of
        our own types and modules. `code` ends at the cursor; `kinds` are the types of variables."""
        public, private = self.found
        receiver = re.search(r"(\w+)\s*(?:\.|::)\w*$", code)
        of = kinds.get(receiver[1], receiver[1]) if receiver else ""
        own = private.get(re.sub(r"<.*|.*::|[&\s]", "", of))
        name = lambda match: re.match(r"\w*", match)[0]
        rank = lambda match: 2 if name(match) in COMMON.split() else 0 if name(match) in public else 1
        dropped = lambda match: match.startswith("evcxr_") or (own is not None and (name(match) in own or f"{name(match)}::" in own and "::" in match or name(match).isdigit()))
        listed = content.get("metadata", {}).get("_jupyter_types_experimental", [])
        pairs = [(match, i) for i, match in enumerate(content.get("matches", [])) if not dropped(match)]
        if receiver:
            pairs.sort(key=lambda pair: rank(pair[0]))
        known = [listed[i] for _, i in pairs if i < len(listed)]
        return content | {"matches": [match for match, _ in pairs], "metadata": {"_jupyter_types_experimental": known}}
