"""Looks at a page of faces in Chromium and compares it with the JSON of the same faces.

    ./ror predict PHOTOS --html PAGE --json >FACES
    python tests/browser/gallery.py PAGE FACES [--screenshot PNG]

Everything is checked by what is seen: the places of the tiles, not what the page's HTML says of them.
"""

import argparse
import json
from pathlib import Path

from browser import Browser, Wrong, main

# What each button sorts by, of a face in the JSON, rounded as in the page.
SORTS = {
    "age": lambda face: round(face["age"], 2),
    "gender": lambda face: round(face["female"], 4),
    "confidence": lambda face: round(max(face["female"], 1 - face["female"]), 4),
}

# The tiles' numbers in the order in which one reads them. The number is a tile's place at first.
READ = """(() => {
  window.tiles ??= [...document.querySelectorAll("figure")];
  const places = window.tiles.map((tile, number) => ({number, ...tile.getBoundingClientRect().toJSON()}));
  const shown = places.filter((place) => place.width > 0 && place.height > 0);
  return shown.sort((a, b) => a.top - b.top || a.left - b.left).map((place) => place.number);
})()"""


def check(true: bool, what: str) -> None:
    if not true:
        raise Wrong(what)


def click(page: Browser, word: str) -> list[int]:
    """The tiles in order after a click on a button with this word."""
    marked = f"""(() => {{
      const buttons = [...document.querySelectorAll("button")];
      buttons.forEach((it) => it.toggleAttribute("data-it", it.textContent.includes({json.dumps(word)})));
      return document.querySelectorAll("[data-it]").length;
    }})()"""
    check(page.evaluate(marked) == 1, f"not one button says {word}")
    page.click("[data-it]")
    return page.evaluate(READ)


def check_pictures(page: Browser, faces: list[dict]) -> None:
    order = page.evaluate(READ)
    check(order == list(range(len(faces))), f"{len(faces)} faces, but the tiles are {order}")
    broken = page.evaluate(
        "[...document.images].filter((it) => !it.complete || !it.naturalWidth).map((it) => it.outerHTML.slice(0, 200))"
    )
    check(not broken, f"pictures do not load: {broken}")
    pictures = page.evaluate("document.images.length")
    check(pictures == len(faces), f"{pictures} pictures of {len(faces)} faces")
    captions = page.evaluate("window.tiles.map((tile) => tile.innerText)")
    for caption, face in zip(captions, faces):
        words, gender, age = " ".join(caption.split()), f"{face['gender']} (", f" {face['age']:.0f} years"
        check(words.startswith(gender) and age in words, f"{gender}...{age} is not in: {caption}")


def check_sorting(page: Browser, faces: list[dict]) -> None:
    first = list(range(len(faces)))
    for word, value in SORTS.items():
        up = click(page, word)
        check(sorted(up) == first, f"sorted by {word} the tiles are {up}")
        values = [value(faces[number]) for number in up]
        check(values == sorted(values), f"sorted by {word}: {values}")
        values = [value(faces[number]) for number in click(page, word)]
        check(values == sorted(values, reverse=True), f"sorted by {word}, a second click: {values}")
    check(click(page, "photo") == first, "sorted by photo the tiles are not as they were")


def check_width(page: Browser, width: int, phone: bool = False) -> None:
    page.size(width, 900, phone)
    of = "document.documentElement"
    own, seen, inside = page.evaluate(f"[innerWidth, {of}.scrollWidth, {of}.clientWidth]")
    kind = "a phone" if phone else "a window"
    check(own == width, f"{kind} of {width} pixels shows {own}: the page has no viewport")
    check(seen <= inside, f"{kind} of {width} pixels scrolls sideways, over {seen} in {inside}")


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("faces", type=Path, help="what --json printed, an object a photograph")
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="the whole page as first seen")
    parser.add_argument("--phone", action="store_true", help="a phone of 400 pixels shows it in its own width, too")
    options = parser.parse_args()
    photos = [json.loads(line) for line in options.faces.read_text().splitlines()]
    faces = [face for photo in photos for face in photo.get("faces", [])]
    unread = [photo["path"] for photo in photos if "error" in photo]

    with Browser() as page:
        own = options.page.resolve().as_uri()
        page.open(own)
        check_pictures(page, faces)
        text = page.evaluate("document.body.innerText")
        check(all(path in text for path in unread), f"not all of these are named as not read: {unread}")
        if options.screenshot:
            page.screenshot(options.screenshot, whole=True)
        check_sorting(page, faces)
        for width in [1280, 400]:
            check_width(page, width)
        if options.phone:
            check_width(page, 400, phone=True)
        others = [address for address in page.requests if address != own and not address.startswith("data:")]
        check(not others, f"it asks for {others}")
        check(not page.errors, f"the page's errors: {page.errors}")
    print(f"{len(faces)} faces, sorted by {', '.join(SORTS)}; {len(unread)} files not read")


if __name__ == "__main__":
    main(run)
