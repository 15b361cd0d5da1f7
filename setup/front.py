"""A front for evcxr, the Rust kernel of Jupyter. Cells can show live output, and keep their variables
after an interrupt.

    sys.exit(front.run(connection_file, ["evcxr_jupyter", "--control_file"]))

The front listens on the ports of Jupyter's connection file, starts evcxr with a second connection file,
and forwards messages in both directions without changes. Both files have the same key, so forwarded
messages stay signed.

Marked lines: evcxr sends each line of a cell's standard output immediately, as a separate message. The
front reads lines that consist of `EVCXR_FRONT ` and a JSON object, instead of showing them:

    EVCXR_FRONT {"display": ID, "data": {"text/html": "...", "text/plain": "..."}}
        an output of the cell; a later one with this ID, in the same run of the cell, replaces it
    EVCXR_FRONT {"stopping": true}
        the cell has noticed that it should stop and is finishing its step: it gets a minute
    EVCXR_FRONT {"failed": "why"}
        the cell ends with an error; evcxr itself reports "ok" after a panic and after a `?`

Text that a `print!` left before the mark is shown first. A malformed line is shown unchanged. Cells that
run behind a front have `EVCXR_FRONT=1` in their environment.

Interrupts: evcxr can only kill the process of cells, which loses their variables. So the first interrupt
creates the file `EVCXR_FRONT_STOP`, which long loops check in order to return an error. While evcxr is
still compiling the cell, the first interrupt kills the compiler. A second interrupt, or 5 seconds without
an end (`EVCXR_FRONT_PATIENCE`), makes evcxr kill the process, and the front reports that under the cell.

Order: evcxr gets a request when the previous cell has ended. After an error or an interrupt, waiting
cells are answered with "aborted". Requests that evcxr does not answer are answered here.

End: evcxr and its child processes are one process group. Its leader is a shell that kills the group when
its standard input closes. The front holds the other end, so the group ends whenever the front does.
"""

import ctypes
import fnmatch
import hashlib
import hmac
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections import deque
from contextlib import nullcontext, suppress
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import zmq

MARK = "EVCXR_FRONT "
LAST_STEP = 60  # seconds for a cell that reports it is stopping
SETTLE = 0.003  # seconds; the last lines of a cell arrive after evcxr's "idle"
SETTLE_STOPPED = 0.1  # the same after an interrupt, whose error always follows
GRACE = 2  # seconds for evcxr to shut down; Jupyter gives the front 2.5
DELIMITER = b"<IDS|MSG>"
CHANNELS = ["shell", "control", "stdin", "iopub", "hb"]
ANSWERED_BY_EVCXR = ["execute_request", "complete_request", "inspect_request", "is_complete_request"]


class Message:
    """A message: identities, a signature, four parts of JSON."""

    def __init__(self, frames: list[bytes]):
        at = frames.index(DELIMITER)
        self.frames = frames[: at + 6]  # without buffers, which evcxr assumes to be signed
        self.identities, self.signature, self.parts = frames[:at], frames[at + 1], self.frames[at + 2 :]
        self.header, self.parent = json.loads(self.parts[0]), json.loads(self.parts[1])
        self.id, self.kind = self.header["msg_id"], str(self.header["msg_type"])

    @cached_property
    def content(self) -> dict:
        return json.loads(self.parts[3])


class Cell:
    """A running cell."""

    def __init__(self, request: Message):
        self.request = request
        self.asks, self.failed = False, None  # whether it waits for input; the error it reported
        self.interrupted, self.killed, self.deadline = False, False, math.inf
        self.reply, self.idle, self.end = None, None, math.inf  # evcxr's last messages, and when to send them


def address(connection: dict, channel: str) -> str:
    separator = "-" if connection["transport"] == "ipc" else ":"
    return f"{connection['transport']}://{connection['ip']}{separator}{connection[f'{channel}_port']}"


def beside(connection: dict) -> dict:
    """Returns the same connection on free ports; evcxr only supports TCP."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in CHANNELS]
    ports = {f"{channel}_port": each.getsockname()[1] for channel, each in zip(CHANNELS, listening)}
    for each in listening:
        each.close()
    return connection | ports | {"transport": "tcp", "ip": "127.0.0.1"}


def compilers(evcxr: int) -> set[int]:
    """Returns evcxr's child processes except those of cells, that is, cargo and rustc. Needs /proc."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            environment = (process / "environ").read_bytes()
            if environment and b"EVCXR_IS_RUNTIME=" not in environment:
                parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    found, last = set(), {evcxr}
    while last := {process for process, parent in parents.items() if parent in last}:
        found |= last
    return found


def safely(do, *arguments) -> None:
    """Calls `do` and prints exceptions, so that a malformed message does not end the front."""
    try:
        do(*arguments)
    except Exception:
        traceback.print_exc()


class Front:
    def __init__(self, connection: dict, folder: Path):
        self.key, self.session = connection["key"].encode(), uuid.uuid4().hex
        self.info, self.heard = None, False  # evcxr's kernel_info; whether its iopub is connected
        self.queue, self.cell, self.shown, self.inputs, self.ending = deque(), None, set(), [], False
        self.patience, self.parent = float(os.environ.get("EVCXR_FRONT_PATIENCE", 5)), os.getppid()
        self.stop, self.second = folder / "front.stop", folder / "front.json"
        self.remove_files()  # left by a front that was killed

        self.signals, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.detach())
        for each in [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD]:
            signal.signal(each, lambda *_: None)
        if sys.platform == "linux":  # PR_SET_CHILD_SUBREAPER, so that `end` can also wait for the process of cells
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        self.guard = subprocess.Popen(["sh", "-c", "read x; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0)

        self.context = zmq.Context()
        self.clients = {channel: self.open(zmq.PUB if channel == "iopub" else zmq.ROUTER) for channel in CHANNELS}
        self.behind = {channel: self.open(zmq.SUB if channel == "iopub" else zmq.DEALER) for channel in CHANNELS[:4]}
        self.receivers = {
            self.clients["hb"]: self.clients["hb"].send_multipart,
            self.clients["control"]: lambda frames: self.request("control", frames),
            self.clients["shell"]: lambda frames: self.request("shell", frames),
            self.clients["stdin"]: self.input_reply,
            self.behind["iopub"]: self.output,
            self.behind["shell"]: self.reply,
            self.behind["stdin"]: self.input_request,
            self.behind["control"]: self.killed,
        }

    def open(self, kind: int) -> zmq.Socket:
        opened = self.context.socket(kind)
        if kind == zmq.ROUTER:
            opened.router_handover = 1  # for a client that reconnects
        elif kind == zmq.DEALER:
            opened.sndhwm = 0  # never blocks
            opened.identity = self.session.encode()  # evcxr's stdin requests go to the identity it knows from shell
        elif kind == zmq.PUB:
            opened.sndhwm = 100_000  # messages that a slow client may lag behind before it loses some
        else:
            opened.subscribe(b"")
        return opened

    def remove_files(self) -> None:
        self.stop.unlink(missing_ok=True)
        self.second.unlink(missing_ok=True)

    def start(self, connection: dict, command: list[str]) -> None:
        for channel, listening in self.clients.items():
            listening.bind(address(connection, channel))
        inner = beside(connection)
        with open(self.second, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(inner, file)
        self.evcxr = subprocess.Popen(
            [*command, str(self.second)],
            env=os.environ | {"EVCXR_FRONT": "1", "EVCXR_FRONT_STOP": str(self.stop)},
            stdin=subprocess.DEVNULL,
            close_fds=False,  # evcxr also gets the files that the caller made inheritable
            process_group=self.guard.pid,
        )
        for channel, connecting in self.behind.items():
            connecting.connect(address(inner, channel))

    def serve(self) -> int:
        """Forwards messages until a shutdown request, a signal, or the end of evcxr or Jupyter."""
        poller = zmq.Poller()
        for each in [*self.receivers, self.signals]:
            poller.register(each, zmq.POLLIN)
        while not self.ending and self.evcxr.poll() is None and not self.orphaned():
            if not self.ready():
                self.ask("shell", "kernel_info_request", {})
            due = min(self.cell.deadline, self.cell.end) if self.cell else math.inf
            found = dict(poller.poll(math.ceil(1000 * max(0, min(1, due - time.monotonic())))))
            if self.signals.fileno() in found:
                caught = self.signals.recv(100)
                self.ending = signal.SIGTERM in caught
                if signal.SIGINT in caught:
                    safely(self.interrupt)
            for each, receive in self.receivers.items():
                with suppress(zmq.Again):
                    for _ in range(100 if each in found else 0):
                        safely(receive, each.recv_multipart(zmq.NOBLOCK))
            if self.cell and self.cell.reply and time.monotonic() >= self.cell.end:
                safely(self.finish)
            elif self.cell and time.monotonic() >= self.cell.deadline:
                safely(self.interrupt)
        if not self.ending and self.evcxr.poll() is not None:
            print(f"front: evcxr ended with status {self.evcxr.returncode}", file=sys.stderr)
        return 0 if self.ending else 1

    def ready(self) -> bool:
        return self.heard and self.info is not None

    def orphaned(self) -> bool:
        """Whether Jupyter has ended. It passes its process ID to the kernels that it starts."""
        jupyter = int(os.environ.get("JPY_PARENT_PID") or 0)
        return os.getppid() != jupyter if jupyter == self.parent else jupyter > 0 and os.getppid() == 1

    def end(self) -> None:
        self.guard.stdin.close()
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-self.guard.pid, 0)  # a large process takes a moment to end
        self.remove_files()
        for each in self.behind.values():
            each.close(linger=0)
        self.context.destroy(linger=500)

    # The front's own messages

    def sign(self, parts: list[bytes]) -> bytes:
        return hmac.new(self.key, b"".join(parts), hashlib.sha256).hexdigest().encode() if self.key else b""

    def made(self, kind: str, parent: dict, content: dict) -> list[bytes]:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.session, "username": "kernel"}
        header |= {"date": datetime.now(timezone.utc).isoformat(), "version": "5.3"}
        parts = [json.dumps(part, allow_nan=False).encode() for part in [header, parent, {}, content]]
        return [DELIMITER, self.sign(parts), *parts]

    def publish(self, kind: str, parent: dict, content: dict) -> None:
        self.clients["iopub"].send_multipart(self.made(kind, parent, content))

    def ask(self, channel: str, kind: str, content: dict) -> None:
        self.behind[channel].send_multipart(self.made(kind, {}, content))

    # Messages from clients

    def checked(self, frames: list[bytes]) -> Message | None:
        """Returns a message if it is signed and evcxr can read it. evcxr ends at a message it can't read."""
        try:
            message = Message(frames)
            if not hmac.compare_digest(message.signature, self.sign(message.parts)):
                raise ValueError("wrong signature")
            parts = [json.loads(part.decode()) for part in message.parts]
            if [type(part) for part in parts] != [dict] * 4:
                raise ValueError("not four objects")
            json.dumps(parts, ensure_ascii=False, allow_nan=False).encode()  # rejects NaN and lone surrogates
            return message
        except Exception as error:
            print(f"front: dropped a message: {str(error)[:200]}", file=sys.stderr, flush=True)

    def request(self, channel: str, frames: list[bytes]) -> None:
        message = self.checked(frames)
        at_once = ["interrupt_request", "shutdown_request"]
        if message and (message.kind in at_once or (channel == "control" and self.ready())):
            self.answer(channel, message)
        elif message:
            self.queue.append((channel, message))
            self.go_on()

    def go_on(self) -> None:
        """Processes the queue until evcxr has a cell to run."""
        while self.queue and self.ready() and not self.cell:
            channel, message = self.queue.popleft()
            if message.kind.endswith("_request") and message.kind not in ANSWERED_BY_EVCXR:
                self.answer(channel, message)
                continue
            if message.kind == "execute_request":
                self.cell, self.shown = Cell(message), set()
            self.behind["shell"].send_multipart(message.frames)

    def answer(self, channel: str, request: Message, content: dict | None = None) -> None:
        """Answers a request instead of evcxr."""
        try:
            content = content or self.content(request)
        except Exception as error:
            content = {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
        self.publish("status", request.header, {"execution_state": "busy"})
        reply = self.made(request.kind.replace("_request", "_reply"), request.header, content)
        self.clients[channel].send_multipart(request.identities + reply)
        self.publish("status", request.header, {"execution_state": "idle"})

    def content(self, request: Message) -> dict:
        match request.kind:
            case "kernel_info_request":
                return self.info
            case "comm_info_request":
                return {"status": "ok", "comms": {}}
            case "history_request":
                return {"status": "ok", "history": self.history(**request.content)}
            case "interrupt_request":
                self.interrupt()
                return {"status": "ok"}
            case "shutdown_request":
                self.shut_down()
                return {"status": "ok", "restart": request.content.get("restart") is True}
        raise NotImplementedError(f"evcxr does not support {request.kind}")

    def history(self, hist_access_type, output=False, n=0, start=0, stop=None, pattern="*", unique=False, **_) -> list:
        found = self.inputs
        if hist_access_type == "range":
            found, n = [each for each in found if start <= each[1] < (stop or math.inf)], 0
        elif hist_access_type == "search":
            found = [each for each in found if fnmatch.fnmatchcase(each[2], pattern)]
            found = list({each[2]: each for each in found}.values()) if unique else found
        return [(session, line, (code, None) if output else code) for session, line, code in found[-(n or 0) :]]

    def shut_down(self) -> None:
        self.ending = True
        if self.ready() and not self.cell:  # otherwise evcxr would wait for the cell first
            self.ask("control", "shutdown_request", {"restart": False})
            with suppress(subprocess.TimeoutExpired):
                self.evcxr.wait(GRACE)

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
            self.publish("stream", cell.request.header, {"name": "stderr", "text": text})

    def input_reply(self, frames: list[bytes]) -> None:
        message = self.checked(frames)
        if message and self.cell and self.cell.asks:  # evcxr would keep any other for the next question
            self.cell.asks = False
            self.behind["stdin"].send_multipart(message.frames)

    # Messages from evcxr

    def input_request(self, frames: list[bytes]) -> None:
        self.cell.asks = True
        self.clients["stdin"].send_multipart(frames)

    def killed(self, _: list[bytes]) -> None:
        if self.cell and self.cell.asks:
            self.ask("stdin", "input_reply", {"value": ""})  # evcxr is still waiting for one

    def reply(self, frames: list[bytes]) -> None:
        message = Message(frames)
        if message.parent.get("session") == self.session:
            self.info = message.content
            self.second.unlink(missing_ok=True)  # evcxr has read it
            self.go_on()
        elif self.cell and message.parent["msg_id"] == self.cell.request.id:
            self.cell.reply = message
        else:
            self.clients["shell"].send_multipart(frames)

    def output(self, frames: list[bytes]) -> None:
        message = Message(frames)
        idle = message.kind == "status" and message.content["execution_state"] == "idle"
        if message.parent.get("session") == self.session:
            self.heard = self.heard or idle
            self.go_on()
        elif idle and self.cell and message.parent["msg_id"] == self.cell.request.id:
            settle = SETTLE_STOPPED if self.cell.interrupted else SETTLE
            self.cell.idle, self.cell.end = frames, time.monotonic() + settle
        elif message.kind != "stream" or MARK.encode() not in frames[-1] or not self.marked(message):
            self.clients["iopub"].send_multipart(frames)

    def marked(self, stream: Message) -> bool:
        """Processes a marked line. Returns false if it is malformed."""
        before, _, object = stream.content["text"].partition(MARK)
        shown, cell = None, self.cell
        try:
            match stream.content["name"], json.loads(object):
                case "stdout", {"display": str(name), "data": dict(data)}:
                    display = f"{stream.parent['msg_id']}/{name}"
                    kind = "update_display_data" if display in self.shown else "display_data"
                    content = {"data": data, "metadata": {}, "transient": {"display_id": display}}
                    shown = self.made(kind, stream.parent, content)
                    self.shown.add(display)
                case "stdout", {"stopping": True}:
                    if cell and cell.interrupted and not cell.killed:
                        cell.deadline = time.monotonic() + LAST_STEP
                case "stdout", {"failed": str(why)}:
                    if cell:
                        cell.failed = why
                case _:
                    return False
        except (ValueError, RecursionError):
            return False
        if before:
            self.publish("stream", stream.parent, {"name": "stdout", "text": before})
        if shown:
            self.clients["iopub"].send_multipart(shown)
        return True

    def finish(self) -> None:
        """Ends the cell and continues with the next."""
        cell, self.cell = self.cell, None
        self.stop.unlink(missing_ok=True)
        request, reply, frames = cell.request.content, cell.reply.content, cell.reply.frames
        if cell.failed is not None and reply["status"] == "ok":
            reply |= {"status": "error", "ename": "Error", "evalue": cell.failed, "traceback": [cell.failed]}
            frames = cell.reply.identities + self.made("execute_reply", cell.reply.parent, reply)
        self.clients["shell"].send_multipart(frames)
        self.clients["iopub"].send_multipart(cell.idle)
        if request.get("store_history", True) and not request.get("silent"):
            self.inputs.append((1, reply["execution_count"], str(request.get("code", ""))))
        if (cell.interrupted or reply["status"] == "error") and request.get("stop_on_error", True):
            waiting, self.queue = self.queue, deque()
            for channel, message in waiting:
                if message.kind == "execute_request":
                    self.answer(channel, message, {"status": "aborted"})
                else:
                    self.queue.append((channel, message))
        self.go_on()


def run(connection_file: str, command: list[str]) -> int:
    """Serves the clients of a connection file with evcxr, which is started by `command` and another
    connection file. Returns the exit status."""
    connection = json.loads(Path(connection_file).read_text())
    own = os.environ.get("EVCXR_TMPDIR")  # used by no other evcxr, so files can have fixed names
    with nullcontext(own) if own else tempfile.TemporaryDirectory(prefix="evcxr-front-") as folder:
        front = Front(connection, Path(folder).absolute())
        try:
            front.start(connection, command)
            return front.serve()
        finally:
            front.end()
