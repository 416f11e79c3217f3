"""Messages between processes over a socket: pickles, each with its length before it.

Only between our own processes: a worker runs the user's code with the user's rights, as the trainer does.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("<Q")
_RECEIVE = 1 << 16


def frame(message: Any) -> bytes:
    """One message as bytes."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Inbox:
    """Bytes in, whole messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Yield the messages that these bytes complete."""
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._buffer, start)
                end = start + _LENGTH.size + length
                if len(self._buffer) < end:
                    break
                message = pickle.loads(self._buffer[start + _LENGTH.size : end])
                start = end
                yield message
        finally:
            del self._buffer[:start]


class Channel:
    """A blocking end of such a socket, as the template and the workers use it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._inbox = Inbox()
        self._arrived: list[Any] = []

    def send(self, message: Any) -> None:
        """Send one message, however long it takes."""
        self.sock.sendall(frame(message))

    def receive(self) -> Any:
        """The next message; raises EOFError when the other end has gone."""
        while not self._arrived:
            data = self.sock.recv(_RECEIVE)
            if not data:
                raise EOFError
            self._arrived += self._inbox.feed(data)
        return self._arrived.pop(0)

    def waiting(self, seconds: float = 0.0) -> bool:
        """Whether something has come, waiting for it at most so long."""
        return bool(self._arrived) or bool(select.select([self.sock], [], [], seconds)[0])
