"""The process of cells: its standard output and error, and the front's commands to it.

The process connects to a Unix socket, once for each of them, and first sends its name and a line end.
What it prints includes evcxr's own lines, such as the one that ends a cell. The front sends those back,
and the process passes them on to evcxr. Thus the end of a cell is never taken for the end of an
unfinished line, and nothing that was printed is lost when the process ends.
"""

import codecs
import json
import os
import re
import secrets
import socket
import struct
from contextlib import suppress
from pathlib import Path

MARK = "EVCXR_FRONT "
# The lines of evcxr and of the front, wherever they begin.
LINE = re.compile(
    rb"EVCXR_(?:EXECUTION_COMPLETE|PANIC_NOTIFICATION|ERROR_OCCURRED|VARIABLE_CHANGED_TYPE:[^\n]*"
    rb"|INPUT_REQUEST[^\n]*|FRONT [^\n]*|BEGIN_CONTENT [^ \n]+\n.*?\nEVCXR_END_CONTENT)\n",
    re.DOTALL,
)
# What may become such a line.
PART = re.compile(rb"EVCXR_BEGIN_CONTENT .*\Z|EVCXR_[^\n]*\Z|E(?:V(?:C(?:X(?:R)?)?)?)?\Z", re.DOTALL)
END = b"EVCXR_EXECUTION_COMPLETE\n"
ERROR = b"EVCXR_ERROR_OCCURRED\n"
AT_ONCE = 64  # pieces read from a process that prints without end, before others get their turn


def lines_and_text(data: bytes) -> tuple[list[tuple[bytes, bool]], bytes]:
    """Splits what a process printed into text and lines (true), and what is not complete yet."""
    found, at = [], 0
    for line in LINE.finditer(data):
        found += [(data[at : line.start()], False), (line.group(), True)]
        at = line.end()
    rest = PART.search(data, at)
    end = rest.start() if rest else len(data)
    found.append((data[at:end], False))
    return [each for each in found if each[0]], data[end:]


class Stream:
    """A connection of the process."""

    def __init__(self, connection: socket.socket):
        self.connection, self.name, self.data = connection, None, b""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")


class Process:
    """The connections of the process of cells. `text`, `line`, `told` and `lost` of `front` are called for
    what it prints and when it ends."""

    def __init__(self, path: Path, front):
        self.front, self.streams, self.commands = front, [], None
        self.word = secrets.token_hex(8)  # of marked lines: what a cell prints by chance is none
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()
        self.listening.setblocking(False)

    def sockets(self) -> list[socket.socket]:
        return [self.listening, *(stream.connection for stream in self.streams)]

    def send(self, command: dict) -> None:
        if not self.commands:
            return
        with suppress(OSError):  # it has just ended
            self.commands.connection.sendall(json.dumps(command).encode() + b"\n")

    def read(self) -> None:
        """Processes everything that has arrived."""
        with suppress(BlockingIOError):
            while True:
                self.streams.append(Stream(self.listening.accept()[0]))
        for stream in sorted(self.streams, key=lambda stream: stream.name == "commands"):  # its end comes last
            ended = False
            with suppress(BlockingIOError):
                for _ in range(AT_ONCE):
                    try:
                        data = stream.connection.recv(1 << 16, socket.MSG_DONTWAIT)
                    except ConnectionError:
                        data = b""
                    if not data:
                        ended = True
                        break
                    self.received(stream, data)
            if ended:
                self.end(stream)

    def received(self, stream: Stream, data: bytes) -> None:
        stream.data += data
        if stream.name is None:
            name, line_end, rest = stream.data.partition(b"\n")
            if not line_end:
                return
            stream.name, stream.data = name.decode(), rest
            if stream.name == "commands":
                self.commands = stream
        if stream.name == "stdout":
            found, stream.data = lines_and_text(stream.data)
        else:
            found, stream.data = [(stream.data, False)], b""
        for part, is_line in found:
            self.pass_on(stream, part, is_line)

    def pass_on(self, stream: Stream, part: bytes, is_line: bool, final: bool = False) -> None:
        if not is_line:
            if text := stream.decoder.decode(part, final):
                self.front.text(stream.name, text)
        elif part.startswith(MARK.encode()):
            line = part.decode(errors="replace")
            word, _, message = line[len(MARK) :].partition(" ")
            if word != self.word or not self.front.line(message):
                self.front.text(stream.name, line)
        else:
            for line in self.front.told(part):
                self.send({"pass": line.decode(errors="replace"), "ends": line == END})

    def release(self) -> None:
        """Passes on what was held back because it could become a line: at the end of a cell it is text."""
        for stream in self.streams:
            if stream.name == "stdout":
                data, stream.data = stream.data, b""
                self.pass_on(stream, data, False)

    def end(self, stream: Stream) -> None:
        self.pass_on(stream, stream.data, False, final=True)
        stream.connection.close()
        self.streams.remove(stream)
        if stream is self.commands:
            self.commands = None
            self.front.lost()

    def waits_for_input(self, evcxr: int) -> bool:
        """Whether a cell reads its standard input: its process sleeps in that, evcxr sleeps reading what
        the process prints, and nothing is compiled. Needs /proc."""
        with suppress(OSError, ValueError, AttributeError):
            credentials = self.commands.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if reads(Path("/proc", str(struct.unpack("3i", credentials)[0]))) == 0:
                tasks = Path(f"/proc/{evcxr}/task").iterdir()
                return any(reads(task) is not None for task in tasks) and not compilers(evcxr)
        return False


def reads(task: Path) -> int | None:
    """Returns the file that a thread sleeps on reading."""
    words = (task / "syscall").read_text().split()
    return int(words[1], 16) if words[0] in ["0", "63"] else None  # `read` on x86 and on Arm


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
