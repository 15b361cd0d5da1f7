"""Headless Chromium, driven over the Chrome DevTools Protocol with what Jupyter brings: tornado.

    with Browser() as page:
        page.open("https://example.org")
        page.wait("document.images.length == 3", "three pictures")
        page.evaluate("document.title")

A script that meets no Chromium ends with the code `SKIPPED`, see `main`.
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tornado.websocket import WebSocketClosedError, websocket_connect

NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]
SKIPPED = 77  # as automake's tests say it
SWITCHES = [
    "--headless=new",
    "--remote-debugging-port=0",  # any free one, which it writes into its profile
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # a container's is often too small
]


class NotFound(Exception):
    """There is no Chromium, or none that starts."""


class Wrong(Exception):
    """The page is not as it should be, or does not answer."""


def until(ready, limit: float, what):
    """What `ready()` returns once it is true; after `limit` seconds an error that says `what()`."""
    end = time.monotonic() + limit
    while not (result := ready()):
        if time.monotonic() > end:
            raise Wrong(f"not within {limit:g} s: {what()}")
        time.sleep(0.05)
    return result


def stop(process: subprocess.Popen) -> None:
    """Ends a process that leads a group, and what is left of the group."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Running:
    """A program that runs as long as this is open, and writes to `log`."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def said(self) -> str:
        """The end of what the program wrote."""
        self.log.seek(0)
        return self.log.read()[-3000:]


class Browser(Running):
    """One page of a browser that has a profile of its own, deleted in the end.

    `errors` are the page's exceptions and what it logged as errors; `requests` are the addresses it
    asked for, `data:` ones included.
    """

    def __init__(self, width: int = 1280, height: int = 900, switches: tuple[str, ...] = ()):
        chosen = os.environ.get("CHROMIUM")
        program = next(filter(None, map(shutil.which, [chosen] if chosen else NAMES)), None)
        if not program:
            raise NotFound(f"no Chromium: {chosen or ', '.join(NAMES)}")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.log = open(Path(self.profile.name) / "log", "w+")
        command = [program, f"--user-data-dir={self.profile.name}", *SWITCHES, *switches, "about:blank"]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # as root it starts only without one
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        self.loop = asyncio.new_event_loop()
        self.socket, self.page, self.number, self.answers = None, {}, 0, {}
        self.errors, self.requests = [], []
        try:
            try:
                address = until(self._address, 60, lambda: f"Chromium's start\n{self.said()}")
            except Wrong as wrong:
                # One that stands on the path by chance may be a stub, such as Ubuntu's for its snap.
                raise wrong if chosen else NotFound(str(wrong)) from None
            self.loop.run_until_complete(self._connect(address))
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.page = {"sessionId": session}
            for domain in ["Page", "Runtime", "Network", "Log"]:
                self.call(f"{domain}.enable")
            self.size(width, height)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        stop(self.process)
        self.loop.close()
        self.log.close()
        self.profile.cleanup()

    def _address(self) -> str | None:
        """Where the browser listens, once it does."""
        if self.process.poll() is not None:
            raise Wrong(f"{self.process.args[0]} ended with {self.process.returncode}\n{self.said()}")
        file = Path(self.profile.name) / "DevToolsActivePort"
        lines = file.read_text().split() if file.is_file() else []
        return f"ws://127.0.0.1:{lines[0]}{lines[1]}" if len(lines) == 2 else None

    async def _connect(self, address: str) -> None:
        large = 1 << 30  # bytes; a screenshot is one message
        self.socket = await websocket_connect(address, on_message_callback=self._receive, max_message_size=large)

    def _receive(self, message: str | None) -> None:
        """Takes an answer to who waits for it, and keeps what is worth keeping of events."""
        if message is None:  # the end
            for answer in self.answers.values():
                answer.set_exception(WebSocketClosedError())
            self.answers.clear()
            return
        message = json.loads(message)
        if "id" in message:
            if answer := self.answers.pop(message["id"], None):
                answer.set_result(message)
            return
        event, of = message["method"], message["params"]
        if event == "Network.requestWillBeSent":
            self.requests.append(of["request"]["url"])
        elif event == "Network.webSocketCreated":
            self.requests.append(of["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(exception(of["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and of["type"] in ["error", "assert"]:
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in of["args"]))
        elif event == "Log.entryAdded" and of["entry"]["level"] == "error":
            self.errors.append(f"{of['entry']['text']} {of['entry'].get('url', '')}".strip())

    def call(self, method: str, limit: float = 60, **parameters) -> dict:
        """Sends a command of the protocol and returns its result."""
        return self.loop.run_until_complete(self._call(method, limit, parameters))

    async def _call(self, method: str, limit: float, parameters: dict) -> dict:
        self.number += 1
        number, answer = self.number, asyncio.get_running_loop().create_future()
        self.answers[number] = answer
        command = {"id": number, "method": method, "params": parameters, **self.page}
        try:
            await self.socket.write_message(json.dumps(command))
            message = await asyncio.wait_for(answer, limit)
        except asyncio.TimeoutError:
            raise Wrong(f"{method} took more than {limit:g} s: {str(parameters)[:300]}") from None
        except WebSocketClosedError:
            raise Wrong(f"{method}: the browser has ended\n{self.said()}") from None
        finally:
            self.answers.pop(number, None)
        if "error" in message:
            raise Wrong(f"{method}: {message['error']['message']}")
        return message["result"]

    def open(self, address: str) -> None:
        """Opens a page and waits until it is loaded; forgets errors and requests of the last."""
        self.errors.clear()
        self.requests.clear()
        if failed := self.call("Page.navigate", url=address).get("errorText"):
            raise Wrong(f"{address}: {failed}")
        self.wait("document.readyState == 'complete'", f"{address} is loaded")

    def evaluate(self, script: str, limit: float = 60):
        """The value of a JavaScript expression; of a promise, what it resolves to."""
        result = self.call("Runtime.evaluate", limit, expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise Wrong(f"{exception(result['exceptionDetails'])}\nin {script}")
        return result["result"].get("value")

    def wait(self, script: str, what: str, limit: float = 30):
        """The value of an expression once it is true; else an error with what the page shows."""

        def shown() -> str:
            text = self.evaluate("document.body ? document.body.innerText : ''")
            errors = "".join(f"\nerror: {error}" for error in self.errors)
            return f"{what}\n{script}{errors}\nThe page shows:\n{text[:2000]}"

        return until(lambda: self.evaluate(script), limit, shown)

    def click(self, selector: str) -> None:
        """Clicks where the middle of the first element is that a CSS selector finds."""
        x, y = self.evaluate(
            f"""(() => {{
              const found = document.querySelector({json.dumps(selector)});
              if (!found) throw new Error("nothing to click");
              found.scrollIntoView({{block: "nearest"}});
              const {{x, y, width, height}} = found.getBoundingClientRect();
              return [x + width / 2, y + height / 2];
            }})()"""
        )
        for event in ["mousePressed", "mouseReleased"]:
            self.call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    def size(self, width: int, height: int, phone: bool = False) -> None:
        """Sets the page's size in pixels; on a phone, a page without a viewport is shown smaller."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Writes what is seen, or the whole page, as PNG."""
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"]))


def exception(details: dict) -> str:
    return details.get("exception", {}).get("description") or details["text"]


def main(run) -> None:
    """Runs a script's `run()`: what it found wrong ends the script with 1, no Chromium with `SKIPPED`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing that was started stays
    try:
        run()
    except NotFound as missing:
        print(missing, file=sys.stderr)
        sys.exit(SKIPPED)
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")
