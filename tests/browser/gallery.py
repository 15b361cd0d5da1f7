"""Looks at a page of faces in Chromium and compares it with the JSON of the same faces.

    ./ror predict PHOTOS --html PAGE --json >FACES
    python tests/browser/gallery.py PAGE FACES [--screenshot PNG]

Everything is checked by what is seen: the places of the tiles, not what the page's HTML says of them.
"""

import argparse
import json
import re
from os.path import abspath
from pathlib import Path
from urllib.parse import unquote, urlsplit

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
        years = f"{face['age']:.0f}"
        words, gender = " ".join(caption.split()), f"{face['gender']} ("
        age = f" {years} year{'' if years == '1' else 's'} 80"
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


def fill(page: Browser, **fields) -> list[int]:
    """The tiles in order once these fields of the filter are filled, and the others are empty."""
    for name in ["name", "gender", "from", "to"]:
        page.evaluate(
            f"""(() => {{
              const field = document.forms[0].elements[{json.dumps(name)}];
              field.value = {json.dumps(str(fields.get(name, "")))};
              field.dispatchEvent(new Event("input", {{bubbles: true}}));
            }})()"""
        )
    return page.evaluate(READ)


def check_filter(page: Browser, faces: list[dict], paths: list[str]) -> None:
    ages = [round(face["age"]) for face in faces]
    middle = sorted(ages)[len(ages) // 2]
    name = Path(paths[-1]).name

    def wanted(**fields) -> list[int]:
        return [
            number
            for number, face in enumerate(faces)
            if fields.get("name", "").lower() in paths[number].lower()
            and fields.get("gender", face["gender"]) == face["gender"]
            and fields.get("from", 0) <= ages[number] <= fields.get("to", 200)
        ]

    for fields in [
        {"name": name.upper()},
        {"name": "no such name"},
        {"gender": "male"},
        {"gender": "female"},
        {"from": middle},
        {"to": middle - 1},
        {"gender": "female", "from": middle, "to": 200, "name": name[:3]},
    ]:
        shown, right = fill(page, **fields), wanted(**fields)
        check(shown == right, f"of {fields} the tiles {shown} are shown, not {right}")
        said = page.evaluate("document.querySelector('[role=status]').innerText")
        if len(right) < len(faces):
            check(said.startswith(f"{len(right)} of {len(faces)} faces"), f"{fields}: {said}")
    page.click("[type=reset]")
    page.wait(f"document.querySelectorAll('figure:not([hidden])').length == {len(faces)}", "all faces again")


def press(page: Browser, key: str, code: int) -> None:
    text = {"text": "\r"} if key == "Enter" else {}
    for event in ["keyDown", "keyUp"]:
        page.call("Input.dispatchKeyEvent", type=event, key=key, code=key, windowsVirtualKeyCode=code, **text)


def check_photos(page: Browser, photos: list[dict]) -> None:
    """Each face opens its photo by the keyboard, with a box where the face is, and Escape goes back."""
    page.evaluate("document.querySelector('[data-by=sure]').focus()")
    for photo in photos:
        for number, face in enumerate(photo.get("faces", [])):
            press(page, "Tab", 9)
            at = "document.activeElement.closest('figure')"
            label = page.evaluate("document.activeElement.ariaLabel")
            check(label == f"Enlarge {Path(photo['path']).name}, face {number + 1}", f"Tab comes to {label}")
            press(page, "Enter", 13)
            size = page.wait(
                "(() => { const it = document.querySelector('dialog[open] img');"
                " return it?.complete && [it.naturalWidth, it.naturalHeight]; })()",
                f"the photo of {label}",
            )
            check(size == [photo["width"], photo["height"]], f"{label} shows {size} pixels")
            shown = page.evaluate(
                """(() => {
                  const [image, box] = ["img", "i"].map((it) => document.querySelector(`dialog ${it}`).getBoundingClientRect());
                  return [(box.x - image.x) / image.width, (box.y - image.y) / image.height,
                          box.width / image.width, box.height / image.height];
                })()"""
            )
            box = [part / photo[side] for part, side in zip(face["box"], ["width", "height"] * 2)]
            check(max(abs(a - b) for a, b in zip(shown, box)) < 0.01, f"{label}: its box is at {shown}, not {box}")
            press(page, "Escape", 27)
            check(not page.evaluate("document.querySelector('dialog').open"), "Escape leaves the photo open")
            check(page.evaluate("document.activeElement.ariaLabel") == label, "after Escape the face has no focus")
            link = unquote(urlsplit(page.evaluate(f"{at}.querySelector('a').href")).path)
            check(link == abspath(photo["path"]), f"{label} links to {link}")
            press(page, "Tab", 9)  # the link
    quick = """(async () => {
      const [first, second] = document.querySelectorAll("figure button"), dialog = document.querySelector("dialog");
      first.click(); dialog.close(); second.click();
      await new Promise((done) => setTimeout(done, 200));
      const shown = dialog.querySelector("img");
      dialog.close();
      return Boolean(shown);
    })()"""
    check(page.evaluate(quick), "a face that is opened right after another is closed shows no photo")


def check_dark(page: Browser) -> None:
    for scheme, is_dark in [("light", False), ("dark", True)]:
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colors = "(() => { const {color, backgroundColor} = getComputedStyle(document.body); return [color, backgroundColor]; })()"
        ink, paper = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in page.evaluate(colors))
        check((ink > paper) == is_dark and abs(ink - paper) > 400, f"{scheme}: ink {ink} on {paper}")


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
        check_filter(page, faces, [photo["path"] for photo in photos for _ in photo.get("faces", [])])
        check_photos(page, photos)
        check_dark(page)
        for width in [1280, 400]:
            check_width(page, width)
        if options.phone:
            check_width(page, 400, phone=True)
        known = {abspath(photo["path"]) for photo in photos} | {str(options.page.resolve())}
        others = [
            address
            for address in page.requests
            if not address.startswith("data:") and not (address.startswith("file:") and unquote(urlsplit(address).path) in known)
        ]
        check(not others, f"it asks for {others}")
        check(not page.errors, f"the page's errors: {page.errors}")
    print(f"{len(faces)} faces, sorted by {', '.join(SORTS)}; {len(unread)} files not read")


if __name__ == "__main__":
    main(run)
