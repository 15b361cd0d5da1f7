"""Takes images out of an executed notebook, so that it can be committed: the data set's licence forbids
to publish them.

Every image is replaced by a placeholder of its size, whatever it shows. Only those of cells with the tag
`own-images` stay, unless the crate has marked them as photographs of the data set. tests/notebooks.rs
checks every committed notebook again, in its own way.
"""

import re
from urllib.parse import quote, unquote

MARK = "ror-photographs-of-a-data-set"  # src/plot/faces.rs
TAG = "own-images"
WORDS = ["image not included:", "UTKFace's licence;", "run the cell to see it"]
BITMAP = re.compile(r"data:image/(?!svg\+xml)", re.IGNORECASE)
IMG = re.compile(r"<img\b[^>]*>")
DRAWN = re.compile(r"<image\b[^>]*?/>", re.DOTALL)
LARGE = 100  # pixels of an image that has room for words


def placeholder(x: float, y: float, width: float, height: float) -> str:
    """Returns SVG elements in place of an image. Their attributes have single quotes."""
    box = f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' fill='#e4e8ec'/>"
    if min(width, height) < LARGE:
        return box
    size = min(14, width / 11)
    middle, first = x + width / 2, y + height / 2 - size
    lines = (
        f"<text x='{middle:g}' y='{first + i * 1.4 * size:g}' text-anchor='middle' fill='#5c6772' "
        f"font-family='sans-serif' font-size='{size:.1f}'>{line.replace(chr(39), '&#8217;')}</text>"
        for i, line in enumerate(WORDS)
    )
    return box + "".join(lines)


def attribute(tag: str, name: str, default: float) -> float:
    found = re.search(rf"\s{name}=['\"]?([\d.]+)", tag)
    return float(found[1]) if found else default


def url(svg: str) -> str:
    """An SVG document as the URL of an image, in double quotes; as in src/plot/figure.rs."""
    return "data:image/svg+xml," + quote(svg.replace("\n", " "), safe=" ='/:;,()!$*+-._~@[]|{}\\^`")


def of_figure(address: str) -> str:
    """Returns a figure's address without the images in it."""
    svg = unquote(address.partition(",")[2])
    place = lambda found: placeholder(*(attribute(found[0], name, 0) for name in ["x", "y", "width", "height"]))
    return url(DRAWN.sub(place, svg).replace(f"<metadata>{MARK}</metadata>", ""))


def of_tag(tag: str) -> str:
    """Returns an `<img>` without the bitmaps in it."""
    source = re.search(r"\ssrc=(['\"])(.*?)\1", tag, re.DOTALL)
    if not source or not BITMAP.search(unquote(source[2])):
        return tag
    if source[2].startswith("data:image/svg+xml"):
        address = of_figure(source[2])
    else:
        size = re.search(r"alt='(\d+) x (\d+) pixels'", tag)
        width, height = map(float, size.groups()) if size else (attribute(tag, name, 200) for name in ["width", "height"])
        svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}'>"
        address = url(f"{svg}{placeholder(0, 0, width, height)}</svg>")
    return tag[: source.start()].replace(MARK, "ror-withheld") + f' src="{address}"' + tag[source.end() :]


def of_table(html: str) -> str:
    """Returns a table without the rows that only its script shows: all labels of the data set."""
    html = re.sub(r' data-ror-table="[^"]*"', "", html)
    return re.sub(r"\n<script>// Adds pages and sorting.*?</script>", "", html, flags=re.DOTALL)


def of_bundle(data: dict) -> None:
    if any(kind.startswith("image/") for kind in data):
        raise ValueError("an output is an image without HTML, which has no placeholder")
    data.pop("application/vnd.jupyter.widget-view+json", None)
    if "text/html" in data:
        data["text/html"] = of_table(IMG.sub(lambda tag: of_tag(tag[0]), data["text/html"]))


def withhold(notebook) -> int:
    """Replaces the images in a notebook's outputs. Returns how many outputs had some.

    Raises `ValueError` if an image can't be replaced, or if a cell that claims to show its own images shows
    those of the data set.
    """
    changed = 0
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        own = TAG in cell.metadata.get("tags", [])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            before = str(data)
            if own and MARK in before:
                raise ValueError(f"the cell has the tag {TAG}, but shows images of the data set:\n{cell.source}")
            if own:
                continue
            of_bundle(data)
            after = unquote(str(data) + str(output.get("text", "")))
            if BITMAP.search(after) or MARK in after:
                raise ValueError(f"an image of this cell could not be replaced:\n{cell.source}")
            changed += str(data) != before and bool(BITMAP.search(unquote(before)))
    return changed
