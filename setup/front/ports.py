"""Closes evcxr's ports to everyone but the front. evcxr only listens on TCP, and one malformed message, which
any user of the machine could send, hangs it.

A filter on each listening socket drops what asks for a new connection; those that exist stay. Needs Linux
5.6, and the right to look into a child process, which some containers withhold.
"""

import ctypes
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

PIDFD_GETFD = 438  # a system call, with this number on every architecture
SO_ATTACH_FILTER = 26
KEEP_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # a program of one instruction: return 0
LISTENS, CONNECTED = "0A", "01"


def table() -> list[tuple[int, int, str, str]]:
    """The machine's TCP sockets: own port, the other's port, state and inode."""
    port = lambda address: int(address.rpartition(":")[2], 16)
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return [(port(line[1]), port(line[2]), line[3], line[9]) for line in lines]


def sockets(process: int | str) -> dict[str, int]:
    """The sockets that a process has open, by inode."""
    found = {}
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            name = os.readlink(file)
            if name.startswith("socket:["):
                found[name[8:-1]] = int(file.name)
    return found


def close(process: int, ports: set[int], needed: set[int]) -> set[int]:
    """Closes those ports of a process that it listens on already; a `needed` one only once this process is
    connected to it. Returns the ports that are closed now.

    Raises `OSError` where this is not possible.
    """
    rows, own, others = table(), sockets("self"), sockets(process)
    connected = {there for _, there, state, inode in rows if state == CONNECTED and inode in own}
    closed = set()
    for port, _, state, inode in rows:
        if state == LISTENS and port in ports and inode in others and (port in connected or port not in needed):
            drop(process, others[inode])
            closed.add(port)
    return closed


def drop(process: int, file: int) -> None:
    """Lets a process's listening socket drop what asks for a connection."""
    handle = os.pidfd_open(process)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(PIDFD_GETFD, handle, file, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(handle)
    with socket.socket(fileno=copy) as listening:
        program = ctypes.create_string_buffer(KEEP_NOTHING, len(KEEP_NOTHING))
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
