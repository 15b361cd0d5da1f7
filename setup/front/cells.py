"""Cells that run: from the request to evcxr's last message, and what they print, show and report."""

import json
import math
import os
import signal
import time
from contextlib import suppress

from . import hints, rewrite
from .keep import defined, keeping, used_after_move
from .process import END, ERROR, compilers
from .widgets import labels, picture
from .wire import Message

LAST_STEP = 60  # seconds for a cell that reports it is stopping
SETTLE = 0.003  # seconds; without its process's connection, the last lines of a cell arrive after evcxr's "idle"
LONG = 5  # seconds of a cell that someone may not wait for
LOST = "The process of this notebook's cells has ended: all variables are lost.\n"


class Cell:
    """Code that runs: a client's request, or `hidden` code of the front, or a closure of `interact`."""

    def __init__(self, request: Message | None, parent: dict, hidden=None, interact=None):
        self.request, self.parent, self.hidden, self.interact = request, parent, hidden, interact
        self.id = request.id if request else None
        self.asks, self.failed = False, None  # whether it waits for input; the error it reported
        self.interrupted, self.killed, self.deadline = False, False, math.inf
        self.reply, self.idle, self.end = None, None, math.inf  # evcxr's last messages, and when to send them
        self.rewritten, self.ran, self.erred, self.kept = False, False, False, None  # see keep.py
        self.without = set()  # variables that it can't keep
        self.errors, self.said = [], ""  # of its compilation; the end of its standard error
        self.captured, self.interacts, self.heard = None, 0, ""  # output held back; number of `interact`s; a result
        self.began, self.parts, self.follower = time.monotonic(), {}, None  # live displays, see `follow`
        self.looked, self.waited, self.moves = time.monotonic(), False, []  # for standard input; moves being drawn


class Cells:
    """The part of the front that runs cells."""

    def hide(self, code: str, then) -> None:
        """Runs code that clients don't see, and passes the text of its result to `then`."""
        content = {"code": code, "silent": True, "store_history": False, "allow_stdin": False}
        request = self.wire.made("execute_request", {}, content)
        self.cell = Cell(Message(request), {}, hidden=then)
        self.behind["shell"].send_multipart(request)

    def start(self, cell: Cell, plain: bool = False) -> None:
        """Sends a client's code to evcxr, if possible so that it keeps its variables if it fails."""
        code = rewrite.without_stdin(str(cell.request.content.get("code", "")))
        kept = None if plain or not self.process.commands else keeping(code, cell.without)
        self.cell, cell.rewritten = cell, kept is not None
        cell.reply, cell.idle, cell.end, cell.errors = None, None, math.inf, []
        self.behind["shell"].send_multipart(self.wire.changed(cell.request, cell.request.content | {"code": kept or code}))

    def call(self, interact) -> None:
        """Calls the closure of a control that was moved."""
        self.cell = Cell(None, interact.moves[-1], interact=interact)
        self.cell.moves, self.cell.captured = list(interact.moves), []
        self.process.send({"call": interact.number, "values": interact.values})

    def interrupt(self) -> None:
        cell = self.cell
        if not cell or cell.killed:
            return
        compiling = compilers(self.evcxr.pid)
        for process in compiling:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if compiling or not cell.interrupted:
            self.stop.touch()
            cell.interrupted, cell.deadline = True, time.monotonic() + self.patience
            text = "Interrupted while it was compiled.\n" if compiling else ""
        else:
            self.ask("control", "interrupt_request", {})
            cell.killed, cell.deadline = True, math.inf
            text = "The cell did not stop when interrupted, so its process was killed: all variables are lost.\n"
        if text:
            self.text("stderr", text)

    # Messages from evcxr

    def input_request(self, frames: list[bytes]) -> None:
        self.cell.asks = True
        self.clients["stdin"].send_multipart(frames)

    def killed(self, _: list[bytes]) -> None:
        if self.cell and self.cell.asks:
            self.ask("stdin", "input_reply", {"value": ""})  # evcxr is still waiting for one

    def reply(self, frames: list[bytes]) -> None:
        message = Message(frames)
        if self.cell and message.parent["msg_id"] == self.cell.id:
            self.cell.reply = message
        elif message.parent.get("session") == self.wire.session:
            self.info = True
            self.second.unlink(missing_ok=True)  # evcxr has read it
            self.go_on()
        else:
            content, kind = message.content, message.kind
            if kind == "complete_reply" and (code := self.completing.pop(message.parent["msg_id"], None)):
                content = self.names.sorted(content, code, self.known)
            elif kind == "inspect_reply":
                content = rewrite.help(content)
            self.clients["shell"].send_multipart(message.identities + self.wire.made(kind, message.parent, content))

    def output(self, frames: list[bytes]) -> None:
        message, cell = Message(frames), self.cell
        state = message.content.get("execution_state") if message.kind == "status" else None
        if cell and message.parent.get("msg_id") == cell.id:
            if state == "idle":
                cell.idle, cell.end = frames, time.monotonic() + (0 if self.process.commands else SETTLE)
            elif message.kind in ["execute_result", "error", "stream"]:
                self.of_cell(cell, message.kind, message.content)
        elif message.parent.get("session") == self.wire.session:
            self.heard = self.heard or state == "idle"
            self.go_on()
        else:
            self.clients["iopub"].send_multipart(frames)

    def of_cell(self, cell: Cell, kind: str, content: dict) -> None:
        """Shows an output that evcxr made of a cell."""
        if cell.hidden:
            cell.heard += content.get("data", {}).get("text/plain", "")
        elif kind == "stream":  # before the process of cells has connected
            self.text(content["name"], content["text"])
        elif kind == "error":
            cell.errors.append(rewrite.error(content, self.count, self.moved))
        elif content["data"] != {"text/plain": ""}:
            self.publish(kind, cell.parent, content | {"execution_count": self.count})

    # What the process of cells says

    def text(self, name: str, text: str) -> None:
        if self.cell and name == "stderr":
            self.cell.said = (self.cell.said + text)[-1000:]
        if self.cell and self.cell.captured is not None:
            self.cell.captured.append((name, text))
        elif not (self.cell and self.cell.hidden):
            self.publish("stream", self.cell.parent if self.cell else self.parent, {"name": name, "text": text})

    def line(self, text: str) -> bool:
        """Processes a line for the front. Returns false if it is malformed."""
        cell = self.cell
        try:
            match json.loads(text, parse_constant=lambda name: 1 / 0):
                case {"display": str(name), "data": dict(data)}:
                    self.display(data, name)
                case {"show": dict(data)}:
                    self.display(data)
                case {"stopping": True}:
                    if cell and cell.interrupted and not cell.killed:
                        cell.deadline = time.monotonic() + LAST_STEP
                case {"failed": str(why)}:
                    if cell:
                        cell.failed = why
                case {"kept": list(names)}:
                    if cell:
                        cell.kept = {str(name) for name in names}
                case {"capture": True}:
                    if cell:
                        cell.captured = []
                case {"interact": int(), "controls": list()} as message:
                    self.interact(message)
                case {"called": int()} as message:
                    self.process.read()  # what the closure printed on standard error
                    if cell and cell.interact:
                        self.drawn(message)
                case _:
                    return False
        except (ValueError, RecursionError, ZeroDivisionError):
            return False
        return True

    def told(self, line: bytes) -> list[bytes]:
        """Returns what evcxr is told instead of one of its own lines: not of an error, if the cell has kept
        its variables."""
        cell = self.cell
        if cell and cell.rewritten and line == ERROR:
            cell.erred = True
            return []
        if cell and line == END:
            cell.ran = True
            return [ERROR, END] if cell.erred and cell.kept is None else [END]
        return [line]

    def display(self, data: dict, name: str | None = None) -> None:
        parent = self.cell.parent if self.cell else self.parent
        id = f"{parent.get('msg_id')}/{name}"
        known = name is not None and id in self.displays
        content = {"data": data, "metadata": {}, "transient": {} if name is None else {"display_id": id}}
        self.publish("update_display_data" if known else "display_data", parent, content)
        if name is not None:
            self.displays.add(id)
            if self.cell and self.cell.request and self.widgets.wanted:
                self.follow(self.cell, name, data.get("text/html", ""))

    def follow(self, cell: Cell, name: str, html: str) -> None:
        """Lets pages that are loaded while a long cell runs show its live displays."""
        cell.parts[name] = html
        if not cell.follower and time.monotonic() - cell.began > LONG:
            cell.follower, data = self.widgets.follow(cell.parent)
            content = {"data": data, "metadata": {}, "transient": {"display_id": cell.follower.id}}
            self.publish("display_data", cell.parent, content)
        if cell.follower:
            self.widgets.followed(cell.follower, cell.parent, "".join(cell.parts.values()))

    def interact(self, message: dict) -> None:
        """Shows the controls of a closure, and what it returned first."""
        cell = self.cell
        if not cell or not cell.request:
            return
        printed, cell.captured = cell.captured or [], None
        code, place = str(cell.request.content.get("code", "")), cell.request.metadata.get("cellId")
        names = labels(code, cell.interacts, len(message["controls"]))
        cell.interacts += 1
        data, gone = self.widgets.show(cell.parent, message, printed, place, names)
        if gone:
            self.process.send({"forget": gone})
        self.display(data)

    def drawn(self, message: dict) -> None:
        cell, self.cell = self.cell, None
        self.stop.unlink(missing_ok=True)
        self.widgets.drawn(cell.interact, cell.moves, picture(message, cell.captured))
        self.go_on()

    def lost(self) -> None:
        """The process of cells has ended, or has been replaced."""
        self.known, self.attempts = {}, 0
        cell = self.cell
        if cell:
            cell.ran = True
        if cell and cell.interact:
            cell.interact.moves, self.cell = cell.moves, None
            self.stop.unlink(missing_ok=True)
        if not (cell and (cell.hidden or cell.killed)):
            self.text("stderr", LOST)
        self.widgets.lost()
        self.go_on()

    def look(self) -> None:
        """Lets a cell ask for input if its process reads standard input, which only evcxr writes to."""
        cell = self.cell
        if cell.interact or cell.asks or time.monotonic() - cell.looked < 0.9:
            return
        waits, cell.looked = self.process.waits_for_input(self.evcxr.pid), time.monotonic()
        if waits and cell.waited:
            waits = False
            self.process.send({"pass": "EVCXR_INPUT_REQUEST:standard input\n"})
        cell.waited = waits

    # The end of a cell

    def finish(self) -> None:
        """Ends the cell, or first asks for the variables it has left."""
        self.process.read()
        self.process.release()
        cell, self.cell = self.cell, None
        failed = cell.reply.content["status"] == "error"
        if failed and cell.rewritten and not cell.ran and not cell.interrupted:
            lost = used_after_move(cell.errors) - cell.without
            cell.without |= lost
            self.start(cell, plain=not lost)
            return
        for content in cell.errors:
            self.publish("error", cell.parent, content)
        if cell.hidden:
            self.stop.unlink(missing_ok=True)
            cell.hidden(cell.heard)
            self.go_on()
        elif self.process.commands:
            look = lambda _: self.hide(":vars", lambda text: self.explain(cell, rewrite.variables(text)))
            # Any code makes evcxr forget the variables that are marked as `NotKept`.
            look("") if cell.kept is None else self.hide("()", look)
        else:
            self.leave(cell, {})

    def explain(self, cell: Cell, variables: dict[str, str]) -> None:
        """If the cell has named a column that its table does not have, asks for those that there are."""
        code = str(cell.request.content.get("code", ""))
        question = None if cell.failed is None or cell.interrupted else hints.question(code, cell.said, variables)
        if question:
            self.hide(question, lambda columns: self.leave(cell, variables, columns))
        else:
            self.leave(cell, variables)

    def leave(self, cell: Cell, variables: dict[str, str], columns: str = "") -> None:
        """Tells which variables are gone, and passes on evcxr's reply."""
        self.stop.unlink(missing_ok=True)
        request, reply = cell.request.content, cell.reply.content | {"execution_count": self.count}
        code = str(request.get("code", ""))
        failed = cell.failed is not None and reply["status"] == "ok"
        if cell.follower:  # not needed on a page that has seen the end
            content = {"data": {"text/plain": ""}, "metadata": {}, "transient": {"display_id": cell.follower.id}}
            self.publish("update_display_data", cell.parent, content)
        for name, text in cell.captured or []:
            self.publish("stream", cell.parent, {"name": name, "text": text})
        if columns:
            self.publish("stream", cell.parent, {"name": "stderr", "text": f"Hint: {columns}\n"})
        if self.process.commands and not cell.interrupted:
            gone = (defined(code) if cell.kept is None else cell.kept) - variables.keys() if failed else set()
            lost = self.known.keys() - variables.keys() - gone
            for names, name, say in [(gone, "stderr", rewrite.not_kept), (lost, "stdout", rewrite.moved)]:
                if names:
                    self.publish("stream", cell.parent, {"name": name, "text": say(names)})
            said = "\n".join(line for content in cell.errors for line in content["traceback"])
            if cell.ran is False and said and (line := hints.hint(code, said)):
                self.publish("stream", cell.parent, {"name": "stderr", "text": line})
            self.moved = {name: each for name, each in self.moved.items() if name not in variables}
            self.moved |= {name: self.count for name in self.known if name not in variables}
        self.known = variables
        if failed:
            reply |= {"status": "error", "ename": "Error", "evalue": cell.failed, "traceback": [cell.failed]}
        self.clients["shell"].send_multipart(cell.reply.identities + self.wire.made("execute_reply", cell.parent, reply))
        self.publish("status", cell.parent, {"execution_state": "idle"})
        if request.get("store_history", True) and not request.get("silent"):
            self.history.inputs.append((1, self.count, code))
        if (cell.interrupted or reply["status"] == "error") and request.get("stop_on_error", True):
            for channel, message in list(self.queue):
                if message.kind == "execute_request":
                    self.queue.remove((channel, message))
                    self.answer(channel, message, {"status": "aborted"})
        self.go_on()
