"""A line of JSON messages between two nodes: never blocks, notices when the other side has gone."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

BEAT_SECONDS = 5.0  # a sign of life so often
SILENT_SECONDS = 60.0  # a node that is switched off closes nothing; this long without a sign, it is taken for gone
MOST_BYTES = 1 << 24  # what does not speak this protocol is hung up on


class Link:
    """One TCP connection, a JSON object a line.

    Args:
        connection: connected socket; the link owns it from now on.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._out = b""
        self._in = b""
        self._heard = self._spoke = time.monotonic()
        self.gone: str | None = None  # how the other side went, once it has
        self.own_address: str = connection.getsockname()[0]
        self.other_address: str = connection.getpeername()[0]

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message; what does not fit now goes with the next `receive`."""
        self._out += json.dumps({"kind": kind, **fields}).encode() + b"\n"
        self._flush()

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have come since the last call; also keeps the line alive."""
        now = time.monotonic()
        if now - self._spoke > BEAT_SECONDS:
            self.send("beat")
        self._flush()
        while not self.gone:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                self.gone = f"its connection broke ({error.strerror or error})"
                break
            if not data:
                self.gone = "its connection closed without a word"
                break
            self._heard = now
            self._in += data
            if len(self._in) > MOST_BYTES:
                self.gone = "it sent what no grpo-train sends"
        if not self.gone and now - self._heard > SILENT_SECONDS:
            self.gone = f"it has been silent for {SILENT_SECONDS:g} s"
        *lines, self._in = self._in.split(b"\n")
        return [m for line in lines if (m := self._parse(line)) and m.get("kind") != "beat"]

    def close(self, seconds: float = 1.0) -> None:
        """Send what is left, for at most so many seconds, and hang up."""
        deadline = time.monotonic() + seconds
        while self._out and not self.gone and time.monotonic() < deadline:
            self._flush()
            time.sleep(0.01)
        self._socket.close()
        self.gone = self.gone or "closed"

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        try:
            message = json.loads(line)
        except ValueError:
            self.gone = "it sent what no grpo-train sends"
            return None
        return message if isinstance(message, dict) else None

    def _flush(self) -> None:
        while self._out and not self.gone:
            try:
                sent = self._socket.send(self._out)
            except BlockingIOError:
                return
            except OSError:
                # Not `gone` yet: what the other side said before it went may still be read.
                self._out = b""
                return
            self._out = self._out[sent:]
            self._spoke = time.monotonic()
