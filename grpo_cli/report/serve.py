"""The report of a run that is still going, served on this machine only: the page looks for news by itself.

Only the loopback address is listened on, and only requests that name it are answered: a page of the internet that
makes its own name point to 127.0.0.1 gets nothing. There is nothing to write to, and no path leads to a file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from grpo_cli.display.follow import JsonlTail
from grpo_cli.errors import ConfigError
from grpo_cli.report.browser import Packer, split_of
from grpo_cli.report.page import run_page
from grpo_cli.report.read import read_run
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.sweep import RECORD

HOST = "127.0.0.1"


class LiveReport:
    """A run's report as of now; completions that were read once are not read again.

    Args:
        root: the run folder.
    """

    def __init__(self, root: Path) -> None:
        self.folder = RunFolder(root)
        self._lock = threading.Lock()
        self._packer = Packer()
        self._tails = [JsonlTail(self.folder.completions(split)) for split in ("eval", "train")]
        self._page: tuple[str, str] = ("", "")
        self._packed: tuple[int, dict[str, bytes]] = (-1, {})

    def version(self) -> str:
        """Changes whenever a file that the report is made of does."""
        folder = self.folder
        watched = [folder.metrics, folder.events, folder.result, folder.provenance, folder.root / "doctor.jsonl"]
        watched += [tail.path for tail in self._tails]
        return _marks(watched)

    def page(self) -> str:
        """The page as of now."""
        with self._lock:
            version = self.version()
            if version != self._page[0]:
                self._follow()
                self._page = (version, run_page(read_run(self.folder.root), self._packer, live=True, version=version))
            return self._page[1]

    def data(self, name: str) -> bytes | None:
        """The index ("index") or a part ("part-3") of the completions, gzipped; None for what there is not."""
        with self._lock:
            self._follow()
            if self._packed[0] != self._packer.count:
                index, parts = self._packer.packed()
                self._packed = (self._packer.count, {"index": index, **{f"part-{i}": p for i, p in enumerate(parts)}})
            return self._packed[1].get(name)

    def _follow(self) -> None:
        """Take in the completions that are new; all of them where a file was cut (a run that was taken up again)."""
        news = [tail.poll() for tail in self._tails]
        if any(replaced for _, replaced in news):
            self._packer = Packer()
            self._tails = [JsonlTail(tail.path) for tail in self._tails]
            news = [tail.poll() for tail in self._tails]
        for tail, (records, _) in zip(self._tails, news, strict=True):
            for record in records:
                self._packer.add(split_of(tail.path, record), record)


class LiveBoard:
    """A sweep's leaderboard as of now.

    Args:
        root: the sweep's folder.
        baseline: what the other settings are compared with, as `standings` takes it.
    """

    def __init__(self, root: Path, baseline: str | None = None) -> None:
        self.root, self.baseline = root, baseline
        self._lock = threading.Lock()
        self._page: tuple[str, str] = ("", "")

    def version(self) -> str:
        """Changes whenever the sweep's record or a job's results do."""
        watched = [self.root / RECORD]
        for path in sorted(p for p in self.root.iterdir() if p.name.isdecimal()):
            watched += [RunFolder(path).result, RunFolder(path).metrics]
        return _marks(watched)

    def page(self) -> str:
        """The page as of now."""
        from grpo_cli.report.sweep.page import sweep_page
        from grpo_cli.report.sweep.read import read_sweep
        from grpo_cli.report.sweep.standings import standings

        with self._lock:
            version = self.version()
            if version != self._page[0]:
                board = standings(read_sweep(self.root), self.baseline)
                self._page = (version, sweep_page(board, self.root, live=True, version=version))
            return self._page[1]

    def data(self, name: str) -> bytes | None:
        """There are no completions in this page."""
        return None


def _marks(watched: Sequence[Path]) -> str:
    """Size and time of files, as one text."""
    marks = []
    for path in watched:
        try:
            stat = path.stat()
        except OSError:
            marks.append("-")
        else:
            marks.append(f"{stat.st_size}.{stat.st_mtime_ns}")
    return " ".join(marks)


def make_server(root: Path, port: int = 0, baseline: str | None = None) -> ThreadingHTTPServer:
    """A server of a run's report, or of a sweep's leaderboard, that listens already.

    Args:
        root: the run folder, or the sweep's.
        port: 0 for any that is free.
        baseline: of a sweep, what the other settings are compared with.

    Returns:
        The server, to be run by `serve_forever`; its address is `server_address`.

    Raises:
        ConfigError: the port cannot be had.
    """
    report = LiveBoard(root, baseline) if (root / RECORD).is_file() else LiveReport(root)

    class Handler(BaseHTTPRequestHandler):
        """Answers GET for the page, its version and its data."""

        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rpartition(":")[0]
            if host not in (HOST, "localhost"):
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            path = self.path.lstrip("/")
            if path == "":
                self._send(lambda: report.page().encode(), "text/html; charset=utf-8")
            elif path == "version":
                self._send(lambda: report.version().encode(), "text/plain; charset=utf-8")
            elif path.startswith("data/"):
                self._send(lambda: report.data(path.removeprefix("data/")), "application/octet-stream")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _send(self, make: Callable[[], bytes | None], kind: str) -> None:
            body = make()
            if body is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal shows the address, and that is all there is to see."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: a browser that goes away in the middle of an answer is no error."""

    try:
        return Server((HOST, port), Handler)
    except OSError as error:
        raise ConfigError(f"port={port} cannot be had ({error.strerror}); write another, or leave it out") from error
