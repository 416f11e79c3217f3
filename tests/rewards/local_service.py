"""A real HTTP server in a thread, which answers as a test tells it to."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What the server does with a request: a status and a body; or silence, or a broken connection."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0  # seconds between two bytes of the body
    disconnect: bool = False


@dataclass
class Asked:
    """One request as it came in."""

    body: Any
    headers: dict[str, str]
    path: str
    at: float


@dataclass
class LocalService:
    """The running server: its address and what it was asked."""

    url: str
    asked: list[Asked]
    busiest: list[int]


@contextlib.contextmanager
def serving(answer: Callable[[Any, int], Any]) -> Iterator[LocalService]:
    """Serve until the block ends.

    Args:
        answer: from a request's JSON and its number (from 0) to an `Answer`, or to the body of one.
    """
    lock, asked, busiest, now = threading.Lock(), [], [0], [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(asked)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked.append(Asked(body, headers, self.path, time.monotonic()))
                now[0] += 1
                busiest[0] = max(busiest[0], now[0])
            try:
                self.reply(answer(body, number))
            finally:
                with lock:
                    now[0] -= 1

        def reply(self, given):
            given = given if isinstance(given, Answer) else Answer(given)
            time.sleep(given.delay)
            if given.disconnect:
                self.close_connection = True
                self.connection.close()
                return
            content = given.body if isinstance(given.body, str) else json.dumps(given.body)
            with contextlib.suppress(OSError):  # the client may have gone
                self.send_response(given.status)
                for name, value in given.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                for byte in content.encode() if given.drip else ():
                    self.wfile.write(bytes([byte]))
                    time.sleep(given.drip)
                if not given.drip:
                    self.wfile.write(content.encode())

        def log_message(self, *arguments):
            pass

        def handle(self):
            with contextlib.suppress(OSError, ValueError):
                super().handle()

        def finish(self):
            with contextlib.suppress(OSError, ValueError):
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield LocalService(f"http://127.0.0.1:{server.server_port}", asked, busiest)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def mark_of(body: Any) -> str:
    """The random mark in a judge's request: what an honest judge would read there."""
    return re.search(r"<NAME-(\w+)>", body["messages"][0]["content"]).group(1)


def chat(content: str | None, *, tokens: tuple[int, int] | None = (100, 10), finish: str = "stop") -> dict[str, Any]:
    """A reply as the chat completions endpoint gives it."""
    reply = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]}
    if tokens:
        reply["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return reply


def scores(score: float | str) -> Callable[[Any, int], Any]:
    """A judge that gives everything one score."""
    return lambda body, number: chat(f"It is so-so.\nSCORE-{mark_of(body)}: {score}")
