"""The front's loop: its start, its end, and the requests of clients."""

import ctypes
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from pathlib import Path

import zmq

from . import ports
from .cells import Cell, Cells
from .history import History
from .process import Process
from .rewrite import Names
from .widgets import Widgets
from .wire import CHANNELS, INFO, Message, Wire, address, beside

GRACE = 2  # seconds for evcxr to shut down; Jupyter gives the front 2.5
SILENT = 1  # seconds until a waiting cell says why it waits
ANSWERED_BY_EVCXR = ["execute_request", "complete_request", "inspect_request", "is_complete_request"]


def safely(do, *arguments) -> None:
    """Calls `do` and prints exceptions, so that a malformed message does not end the front."""
    try:
        do(*arguments)
    except Exception:
        traceback.print_exc()


class Front(Cells):
    def __init__(self, connection: dict, folder: Path, prepare, restart: str, names: Names):
        self.connection, self.wire, self.restart = connection, Wire(connection["key"]), restart
        self.folder, self.evcxr, self.state, self.refusal = folder, None, "", None
        self.info, self.heard = False, False  # whether evcxr has answered; whether its iopub is connected
        self.queue, self.cell, self.history, self.ending = deque(), None, History(), False
        self.count, self.parent, self.attempts = 0, {}, 0  # of the last cell; tries to start its process
        self.known, self.moved, self.displays = {}, {}, set()  # variables' types; the cells that moved some; displays
        self.names, self.completing = names, {}  # for completions; code up to the cursor of requests
        self.open_ports = set()  # ports of evcxr that others on the machine can still reach
        self.waits = None  # what a cell shows while the kernel starts: when it came, and whether it was shown
        self.patience, self.jupyter = float(os.environ.get("EVCXR_FRONT_PATIENCE", 5)), os.getppid()
        self.stop, self.second = folder / "front.stop", folder / "front.json"
        self.widgets = Widgets(self.publish)

        self.signals, self.waker = socket.socketpair()
        self.waker.setblocking(False)
        signal.set_wakeup_fd(self.waker.fileno())
        for each in [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD]:
            signal.signal(each, lambda *_: None)
        if sys.platform == "linux":  # PR_SET_CHILD_SUBREAPER, so that `end` can also wait for the process of cells
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        guard = ["sh", "-c", 'read x; rm -rf "$0"; kill -KILL 0', str(folder)]
        self.guard = subprocess.Popen(guard, stdin=subprocess.PIPE, process_group=0)
        self.process = Process(folder / "socket", self)

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
        for channel, listening in self.clients.items():
            listening.bind(address(connection, channel))
        self.prepared = threading.Thread(target=self.prepare, args=[prepare], daemon=True)
        self.prepared.start()

    def open(self, kind: int) -> zmq.Socket:
        opened = self.context.socket(kind)
        if kind == zmq.ROUTER:
            opened.router_handover = 1  # for a client that reconnects
        elif kind == zmq.DEALER:
            opened.sndhwm = 0  # never blocks
            opened.identity = self.wire.session.encode()  # evcxr's stdin requests go to the identity it knows from shell
        elif kind == zmq.PUB:
            opened.sndhwm = 100_000  # messages that a slow client may lag behind before it loses some
        else:
            opened.subscribe(b"")
        return opened

    # The start of evcxr, in a thread, because the crate may be compiled first

    def prepare(self, prepare) -> None:
        def report(state: str) -> None:
            self.state = state

        try:
            self.start_evcxr(prepare(report, self.guard.pid))
        except Exception as error:
            self.refusal = str(error)
            print(f"front: {error}", file=sys.stderr)
        with suppress(OSError):
            self.waker.send(b"\0")

    def start_evcxr(self, command: list[str]) -> None:
        inner = beside(self.connection)
        with open(self.second, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(inner, file)
        own = {"EVCXR_FRONT": self.process.word, "EVCXR_FRONT_STOP": str(self.stop), "EVCXR_FRONT_SOCKET": str(self.folder / "socket")}
        self.state = "evcxr starts"
        self.evcxr = subprocess.Popen(
            [*command, str(self.second)],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            close_fds=False,  # evcxr also gets the files that the caller made inheritable
            process_group=self.guard.pid,
        )
        self.inner, self.open_ports = inner, {inner[f"{channel}_port"] for channel in CHANNELS}

    def close_ports(self) -> None:
        """Closes evcxr's ports to others. Nobody needs its heartbeat."""
        needed = self.open_ports - {self.inner["hb_port"]}
        try:
            self.open_ports -= ports.close(self.evcxr.pid, self.open_ports, needed)
        except (OSError, AttributeError) as error:
            print(f"front: other users of this machine can reach evcxr's ports: {error}", file=sys.stderr)
            self.open_ports = set()

    def connect(self) -> None:
        """Connects to evcxr once it has been started, and asks it whether it is ready."""
        if self.prepared and not self.prepared.is_alive():
            self.prepared = None
            if self.evcxr:
                for channel, connecting in self.behind.items():
                    connecting.connect(address(self.inner, channel))
        if self.evcxr and not self.prepared and not self.ready():
            self.ask("shell", "kernel_info_request", {})
        elif self.refusal:
            self.go_on()

    def serve(self) -> int:
        """Forwards messages until a shutdown request, a signal, or the end of evcxr or Jupyter."""
        self.publish("status", {}, {"execution_state": "starting"})
        while not self.ending and not (self.evcxr and self.evcxr.poll() is not None) and not self.orphaned():
            if not self.ready():
                safely(self.connect)
                safely(self.say_why)
            if self.open_ports and not self.prepared:
                safely(self.close_ports)
            due = min(self.cell.deadline, self.cell.end) if self.cell else math.inf
            longest = 0.02 if self.open_ports else 1
            poller = zmq.Poller()
            for each in [*self.receivers, self.signals, *self.process.sockets()]:
                poller.register(each, zmq.POLLIN)
            found = dict(poller.poll(math.ceil(1000 * max(0, min(longest, due - time.monotonic())))))
            if self.signals.fileno() in found:
                caught = self.signals.recv(100)
                self.ending = signal.SIGTERM in caught
                if signal.SIGINT in caught:
                    safely(self.interrupt)
            safely(self.process.read)  # what was printed comes before what evcxr says about it
            for each, receive in self.receivers.items():
                with suppress(zmq.Again):
                    for _ in range(100 if each in found else 0):
                        safely(receive, each.recv_multipart(zmq.NOBLOCK))
            if self.cell and self.cell.reply and time.monotonic() >= self.cell.end:
                safely(self.finish)
            elif self.cell and time.monotonic() >= self.cell.deadline:
                safely(self.interrupt)
            elif self.cell:
                safely(self.look)
        if not self.ending and self.evcxr and self.evcxr.poll() is not None:
            print(f"front: evcxr ended with status {self.evcxr.returncode}", file=sys.stderr)
        return 0 if self.ending else 1

    def ready(self) -> bool:
        return self.heard and self.info

    def say_why(self) -> None:
        """Tells the first cell that waits for the kernel what the kernel is doing."""
        cell = next((message for _, message in self.queue if message.kind == "execute_request"), None)
        if not cell or self.refusal:
            return
        if not self.waits:
            self.waits = [cell.header, time.monotonic(), False]
            self.publish("status", cell.header, {"execution_state": "busy"})
        parent, since, shown = self.waits
        if (seconds := time.monotonic() - since) > SILENT:
            text = f"The kernel is starting: {self.state or 'please wait'} ({seconds:.0f} s)"
            content = {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": "start"}}
            self.publish("update_display_data" if shown else "display_data", parent, content)
            self.waits[2] = True

    def orphaned(self) -> bool:
        """Whether Jupyter has ended. It passes its process ID to the kernels that it starts."""
        jupyter = int(os.environ.get("JPY_PARENT_PID") or 0)
        return os.getppid() != jupyter if jupyter == self.jupyter else jupyter > 0 and os.getppid() == 1

    def end(self) -> None:
        self.guard.stdin.close()
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-self.guard.pid, 0)  # a large process takes a moment to end
        for each in self.behind.values():
            each.close(linger=0)
        self.context.destroy(linger=500)

    # The front's own messages

    def publish(self, kind: str, parent: dict, content: dict, metadata: dict | None = None) -> None:
        self.clients["iopub"].send_multipart(self.wire.made(kind, parent, content, metadata))

    def ask(self, channel: str, kind: str, content: dict) -> str:
        frames = self.wire.made(kind, {}, content)
        self.behind[channel].send_multipart(frames)
        return Message(frames).id

    # Messages from clients

    def request(self, channel: str, frames: list[bytes]) -> None:
        message = self.wire.checked(frames)
        at_once = ["interrupt_request", "shutdown_request", "kernel_info_request"]
        if message and message.kind.startswith("comm_"):
            if (content := self.widgets.request(message)) is not None:
                self.answer(channel, message, content, busy=False)
            if self.cell and self.cell.request:  # the client takes the idle message as the kernel's state
                self.publish("status", self.cell.parent, {"execution_state": "busy"})
            self.go_on()
        elif message and (message.kind in at_once or channel == "control"):
            self.answer(channel, message)
        elif message:
            self.queue.append((channel, message))
            self.go_on()

    def go_on(self) -> None:
        """Processes the queue until evcxr has a cell to run."""
        while not self.cell and (self.ready() or self.refusal):
            if self.ready() and not self.process.commands and self.attempts < 3:
                self.attempts += 1
                self.hide(self.restart, lambda _: None)
            elif interact := self.widgets.next():
                self.call(interact)
            elif not self.queue:
                return
            else:
                self.begin(*self.queue.popleft())

    def begin(self, channel: str, message: Message) -> None:
        if message.kind not in ANSWERED_BY_EVCXR:
            self.answer(channel, message)
        elif message.kind == "execute_request":
            if self.waits and self.waits[2]:
                self.publish("clear_output", self.waits[0], {"wait": False})
            self.waits = None
            self.count += 1
            self.parent = message.header
            if self.refusal:
                self.refuse(channel, message)
                return
            self.publish("status", message.header, {"execution_state": "busy"})
            code = str(message.content.get("code", ""))
            self.publish("execute_input", message.header, {"execution_count": self.count, "code": code})
            self.displays = set()
            self.start(Cell(message, message.header))
        elif self.refusal:
            self.answer(channel, message, {"status": "error", "ename": "Error", "evalue": "the kernel did not start"})
        else:
            if message.kind == "complete_request":
                content = message.content
                self.completing[message.id] = str(content.get("code", ""))[: content.get("cursor_pos")]
            self.behind["shell"].send_multipart(message.frames)

    def refuse(self, channel: str, message: Message) -> None:
        """Answers a cell of a kernel whose start has failed."""
        error = {"ename": "Error", "evalue": self.refusal.splitlines()[0], "traceback": self.refusal.splitlines()}
        self.publish("error", message.header, error)
        self.answer(channel, message, {"status": "error", "execution_count": self.count, **error})

    def answer(self, channel: str, request: Message, content: dict | None = None, busy: bool = True) -> None:
        """Answers a request instead of evcxr."""
        try:
            content = content or self.content(request)
        except Exception as error:
            content = {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
        if busy:
            self.publish("status", request.header, {"execution_state": "busy"})
        reply = self.wire.made(request.kind.replace("_request", "_reply"), request.header, content)
        self.clients[channel].send_multipart(request.identities + reply)
        self.publish("status", request.header, {"execution_state": "idle"})

    def content(self, request: Message) -> dict:
        match request.kind:
            case "kernel_info_request":
                return INFO
            case "history_request":
                return {"status": "ok", "history": self.history.found(**request.content)}
            case "interrupt_request":
                self.interrupt()
                return {"status": "ok"}
            case "shutdown_request":
                self.shut_down()
                return {"status": "ok", "restart": request.content.get("restart") is True}
        raise NotImplementedError(f"evcxr does not support {request.kind}")

    def shut_down(self) -> None:
        self.ending = True
        if self.ready() and not self.cell:  # otherwise evcxr would wait for the cell first
            self.ask("control", "shutdown_request", {"restart": False})
            with suppress(subprocess.TimeoutExpired):
                self.evcxr.wait(GRACE)

    def input_reply(self, frames: list[bytes]) -> None:
        message = self.wire.checked(frames)
        if message and self.cell and self.cell.asks:  # evcxr would keep any other for the next question
            self.cell.asks = False
            self.behind["stdin"].send_multipart(message.frames)

