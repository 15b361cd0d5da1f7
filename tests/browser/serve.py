"""Uses the page of a running server in Chromium: photos that are dropped, pasted and chosen, the table, the
keyboard, and a camera whose video is a file.

    ./ror serve
    python tests/browser/serve.py http://127.0.0.1:8000/ CAMERA.y4m PHOTO... [--screenshots FOLDER]

The video shows one face that moves.
"""

import argparse
import json
import time
from pathlib import Path

from browser import Browser, Wrong, main

# What is seen of the camera's boxes: a number that stays with an element, its middle, its words.
TRACKS = """[...document.querySelectorAll("#tracks .box")].map((box) => {
  box.seen ??= (window.seen = (window.seen ?? 0) + 1);
  const {left, width, top, height} = box.getBoundingClientRect();
  return {id: box.seen, x: left + width / 2, y: top + height / 2, words: box.innerText};
})"""
FOCUS = "document.activeElement.id || document.activeElement.innerText"


def check(true: bool, what: str) -> None:
    if not true:
        raise Wrong(what)


def press(page: Browser, key: str) -> None:
    codes = {"Tab": 9, "Enter": 13, "Escape": 27}
    text = {"text": "\r"} if key == "Enter" else {}
    for event in ["keyDown", "keyUp"]:
        page.call("Input.dispatchKeyEvent", type=event, key=key, code=key, windowsVirtualKeyCode=codes[key], **text)


def tab_to(page: Browser, name: str) -> None:
    for _ in range(60):
        press(page, "Tab")
        if page.evaluate(FOCUS) == name:
            return
    raise Wrong(f"the keyboard does not reach {name}")


def drop(page: Browser, files: list[Path]) -> None:
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for event in ["dragEnter", "dragOver", "drop"]:
        page.call("Input.dispatchDragEvent", type=event, x=300, y=150, data=data)


def answered(page: Browser, photos: int) -> None:
    page.wait(f"photos.length == {photos} && photos.every((photo) => photo.answer && !photo.file)", f"{photos} answers", 120)


def check_boxes(page: Browser) -> int:
    """Each face's box is where the answer says, in the photo as it is shown. Returns the number of faces."""
    wrong = page.evaluate(
        """photos.flatMap(({answer, figure, path}) => (answer.faces ?? []).flatMap((face, number) => {
          const view = figure.firstChild.getBoundingClientRect();
          const box = figure.querySelectorAll(".box")[number].getBoundingClientRect();
          const scale = view.width / answer.width;
          const [x, y, w, h] = face.box.map((side) => side * scale);
          const far = [box.left - view.left - x, box.top - view.top - y, box.width - w, box.height - h];
          return far.some((pixels) => Math.abs(pixels) > 1.5) ? [[path, far]] : [];
        }))"""
    )
    check(not wrong, f"boxes are not where the faces are: {wrong}")
    return page.evaluate("rows.length")


def check_table(page: Browser, faces: int) -> None:
    column = '[...document.querySelectorAll("#rows tr")].map((row) => Number(row.cells[3].innerText))'
    for order, reverse in [("ascending", False), ("descending", True)]:
        page.click("#head th:nth-child(4) button")
        ages = page.evaluate(column)
        check(len(ages) == faces and ages == sorted(ages, reverse=reverse), f"sorted by age, {order}: {ages}")
        check(page.evaluate('document.querySelector("#head th:nth-child(4)").ariaSort') == order, order)
    lines = page.evaluate("csv()").splitlines()
    check(len(lines) == 1 + faces, f"the CSV has {len(lines)} lines for {faces} faces")
    check(all(len(line.split(",")) == 16 for line in lines), "the CSV's lines have 16 values")
    photos = json.loads(page.evaluate("json()"))
    check(sum(len(photo["faces"]) for photo in photos) == faces, "the JSON has all faces")


def check_other_ways(page: Browser, files: list[Path]) -> None:
    """A photo that is pasted, one that is chosen, and what is no image."""
    before = page.evaluate("photos.length")
    paste = """(() => {
      const data = new DataTransfer();
      data.items.add(new File(["no image"], "<img src=x onerror=alert(1)>.png", {type: "image/png"}));
      dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
    })()"""
    page.evaluate(paste)
    answered(page, before + 1)
    said = page.evaluate("photos.at(-1).caption.innerText")
    check(said.startswith("<img src=x") and "not a JPEG" in said, f"a pasted text is: {said}")
    check("1 not read" in page.evaluate("document.getElementById('status').innerText"), "it is counted")
    node = page.call("DOM.getDocument")["root"]["nodeId"]
    found = page.call("DOM.querySelector", nodeId=node, selector="#files")["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=found, files=[str(files[0])])
    answered(page, before + 2)


def check_camera(page: Browser, shots: Path | None) -> str:
    """Started and stopped by the keyboard alone. Returns the frames per second."""
    tab_to(page, "camera")
    press(page, "Enter")
    page.wait("document.querySelectorAll('#tracks .box').length > 0", "a box follows the camera's face", 60)
    # At least as long as the face takes to and fro, and as many answers on a slow machine, too.
    seen, first, end = [], page.evaluate("camera.shown"), time.monotonic() + 5
    while time.monotonic() < end or page.evaluate("camera.shown") < first + 20:
        check(time.monotonic() < end + 60, "the camera's frames are not answered")
        seen.extend(page.evaluate(TRACKS))
        time.sleep(0.05)
    if shots:
        page.screenshot(shots / "camera.png")
    most = max({one["id"] for one in seen}, key=lambda own: sum(one["id"] == own for one in seen))
    own = [one for one in seen if one["id"] == most]
    check(len(own) > 0.8 * len(seen), f"one face has many boxes: {sorted({one['id'] for one in seen})}")
    moved = max(one["x"] for one in own) - min(one["x"] for one in own)
    check(moved > 60, f"the box moves over {moved:.0f} pixels only")
    ages = [int(one["words"].split()[1]) for one in own]
    check(all(0 < age < 117 for age in ages), f"ages are {ages}")
    rate = page.evaluate("document.getElementById('rate').innerText")
    press(page, "Escape")
    page.wait("camera === null && document.getElementById('live').hidden", "Escape stops the camera")
    return rate


def check_average(page: Browser) -> None:
    """Two faces that cross in the list, whose ages jump by 20 years, keep their tracks and do not flicker."""
    ages = page.evaluate(
        """(() => {
          const face = (x, age) => ({box: [x, 10, 100, 120], age, age_range: [age - 5, age + 5], female: age / 100});
          let tracks = [];
          const shown = [];
          for (let n = 0; n < 60; n += 1) {
            const faces = [face(n, n % 2 ? 20 : 40), face(300 - n, n % 2 ? 80 : 60)];
            tracks = follow(tracks, n % 3 ? faces : faces.reverse(), 50 * n);
            shown.push(tracks.map((track) => track.age));
          }
          return shown;
        })()"""
    )
    check(all(len(both) == 2 for both in ages), "a face has several tracks")
    young, old = zip(*(sorted(both) for both in ages[30:]), strict=True)
    check(all(abs(age - 30) < 1 for age in young), f"the mean of 20 and 40 is {young}")
    check(all(abs(age - 70) < 1 for age in old), f"the mean of 60 and 80 is {old}")


def check_missing(page: Browser) -> None:
    """A box stays while its face is missing for three frames, or for 0.6 s where frames are fast."""
    lasts = """(step) => {
      let tracks = follow([], [{box: [0, 0, 9, 9], age: 30, age_range: [20, 40], female: 1}], 0);
      let n = 0;
      while (tracks.length) tracks = follow(tracks, [], step * (n += 1));
      return n;
    }"""
    for step, frames in [(50, 13), (300, 4), (1000, 4)]:
        lasted = page.evaluate(f"({lasts})({step})")
        check(lasted == frames, f"a box goes at missing frame {lasted}, not {frames}, of {step} ms")


def check_keyboard(page: Browser) -> None:
    page.evaluate("at('files').onclick = (event) => { event.preventDefault(); window.asked = true; }")
    tab_to(page, "choose")
    press(page, "Enter")
    check(page.evaluate("window.asked") is True, "Enter on the button does not ask for photos")
    tab_to(page, "Confidence")
    press(page, "Enter")
    check(page.evaluate('document.querySelector("#head th:nth-child(3)").ariaSort') == "ascending", "Enter sorts")


def look(page: Browser, shots: Path | None) -> None:
    """Light and dark, wide and on a phone, where the page does not scroll sideways."""
    for scheme in ["light", "dark"]:
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for name, width, phone in [("wide", 1280, False), ("phone", 400, True)]:
            page.size(width, 900, phone)
            own, seen = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
            check(own == width and seen <= width, f"{name}: {seen} pixels in {own}")
            if shots:
                time.sleep(0.3)
                page.screenshot(shots / f"{scheme}-{name}.png", whole=True)
    page.call("Emulation.setEmulatedMedia", features=[])
    page.size(1280, 900)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("camera", type=Path, help="the camera's video, a y4m file")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    switches = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={options.camera}",
    )
    with Browser(switches=switches) as page:
        page.open(options.address)
        drop(page, [file.resolve() for file in options.photos])
        answered(page, len(options.photos))
        faces = check_boxes(page)
        check(faces > 0, "no face was found")
        check_table(page, faces)
        check_keyboard(page)
        look(page, options.screenshots)
        check_other_ways(page, [file.resolve() for file in options.photos])
        check_average(page)
        check_missing(page)
        rate = check_camera(page, options.screenshots)
        page.click("#clear")
        check(page.evaluate("photos.length + rows.length + document.images.length") == 0, "Clear removes all")
        own = (options.address, "blob:", "data:")
        others = [address for address in page.requests if not address.startswith(own)]
        check(not others, f"it asks for {others}")
        # What can't be read is a 422, which the browser logs.
        errors = [error for error in page.errors if "422" not in error]
        check(not errors, f"the page's errors: {errors}")
    print(f"{len(options.photos)} photos, {faces} faces; camera: {rate}")


if __name__ == "__main__":
    main(run)
