"""Jupyter's messages on the wire: https://jupyter-client.readthedocs.io/en/stable/messaging.html"""

import hashlib
import hmac
import json
import socket
import sys
import uuid
from datetime import datetime, timezone
from functools import cached_property

DELIMITER = b"<IDS|MSG>"
CHANNELS = ["shell", "control", "stdin", "iopub", "hb"]
# evcxr's own answer, so that the front can answer before evcxr runs.
INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "evcxr_jupyter",
    "implementation_version": "0.22.0",
    "language_info": {
        "name": "Rust",
        "version": "",
        "mimetype": "text/rust",
        "file_extension": ".rs",
        "pygment_lexer": "rust",
        "codemirror_mode": "rust",
    },
    "banner": "Rust (ror): evcxr 0.22.0 behind the front of ror",
    "help_links": [{"text": "Rust std docs", "url": "https://doc.rust-lang.org/stable/std/"}],
}


class Message:
    """A message: identities, a signature, four parts of JSON."""

    def __init__(self, frames: list[bytes]):
        at = frames.index(DELIMITER)
        self.frames = frames[: at + 6]  # without buffers, which evcxr assumes to be signed
        self.identities, self.signature, self.parts = frames[:at], frames[at + 1], self.frames[at + 2 :]
        self.header, self.parent = json.loads(self.parts[0]), json.loads(self.parts[1])
        self.id, self.kind = self.header["msg_id"], str(self.header["msg_type"])

    @cached_property
    def metadata(self) -> dict:
        return json.loads(self.parts[2])

    @cached_property
    def content(self) -> dict:
        return json.loads(self.parts[3])


class Wire:
    """Makes and checks messages that are signed with a connection's key."""

    def __init__(self, key: str):
        self.key, self.session = key.encode(), uuid.uuid4().hex

    def sign(self, parts: list[bytes]) -> bytes:
        return hmac.new(self.key, b"".join(parts), hashlib.sha256).hexdigest().encode() if self.key else b""

    def made(self, kind: str, parent: dict, content: dict, metadata: dict | None = None) -> list[bytes]:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.session, "username": "kernel"}
        header |= {"date": datetime.now(timezone.utc).isoformat(), "version": "5.3"}
        parts = [json.dumps(part, allow_nan=False).encode() for part in [header, parent, metadata or {}, content]]
        return [DELIMITER, self.sign(parts), *parts]

    def changed(self, message: Message, content: dict) -> list[bytes]:
        """Returns the frames of a message with another content."""
        parts = [*message.parts[:3], json.dumps(content, allow_nan=False).encode()]
        return [*message.identities, DELIMITER, self.sign(parts), *parts]

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
