"""The parent's side of the two kinds of process: the template, and a worker forked from it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from grpo_cli.rewards.guard.channel import Inbox, frame
from grpo_cli.rewards.guard.template import COMMAND, FORK, REAP

_PACKAGE = Path(__file__).resolve().parents[3]
_RECEIVE = 1 << 18


class Template:
    """The process that workers are forked from (`guard.template`).

    To be made in the main thread: the kernel ends the process when the thread that started it does.

    Args:
        setup: what it is told: rewards by number, the lanes among them, memory_gb, nice.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        self.sock, theirs = socket.socketpair()
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")]))
        # Sets of strings in one order in all ranks; and one thread each, since there is a worker per core.
        environment.setdefault("PYTHONHASHSEED", "0")
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        environment["TOKENIZERS_PARALLELISM"] = "false"
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grpo_cli.rewards.guard.template", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the trainer to act on
            )
        self.inbox = Inbox()
        with contextlib.suppress(OSError):  # where it has ended already, the pool reads so
            self.sock.sendall(frame({"path": [entry or str(Path.cwd()) for entry in sys.path], **setup}))
        self.ready = False

    def fork(self, lane: int) -> Worker:
        """Ask for a worker; it says hello when it is there."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.sock, [COMMAND.pack(FORK, lane)], [theirs.fileno()])
        return Worker(ours, lane)

    def reap(self, pid: int) -> None:
        """Have an ended worker collected; ("ended", pid, exit code) comes back."""
        with contextlib.suppress(OSError):
            self.sock.sendall(COMMAND.pack(REAP, pid))

    def close(self) -> None:
        """End it and all workers."""
        self.sock.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:  # it is stuck in the user's imports
            self.process.kill()
            self.process.wait()


class Worker:
    """One worker as the pool sees it.

    Args:
        sock: our end of its socket.
        lane: which rewards it does.
    """

    def __init__(self, sock: socket.socket, lane: int) -> None:
        sock.setblocking(False)
        self.sock, self.lane = sock, lane
        self.pid = 0
        self.pidfd: int | None = None
        self.alive = False  # has said hello, and not ended
        self.assigned: deque[int] = deque()  # numbers of its jobs; the first is being done
        self.dropping: set[int] = set()  # told to drop, not yet confirmed
        self.started = self.deadline = 0.0
        self.allowance = 0.0
        self.inbox = Inbox()
        self.outbox = bytearray()

    @property
    def idle(self) -> bool:
        """Whether it can be given work."""
        return self.alive and not self.assigned and not self.dropping

    def hello(self, pid: int) -> None:
        """It is there. A pidfd tells of its end even where a child of it keeps the socket open."""
        self.pid, self.alive = pid, True
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self.pidfd = os.pidfd_open(pid)

    def read(self) -> tuple[list[Any], bool]:
        """What it has sent, and whether its end of the socket is closed."""
        messages: list[Any] = []
        while True:
            try:
                data = self.sock.recv(_RECEIVE)
            except BlockingIOError:
                return messages, False
            except OSError:
                return messages, True
            if not data:
                return messages, True
            messages += self.inbox.feed(data)
            if len(data) < _RECEIVE:
                return messages, False

    def write(self, message: Any = None) -> bool:
        """Send a message, or what is left of earlier ones; whether all is out (a worker may read late)."""
        if message is not None:
            self.outbox += frame(message)
        try:
            while self.outbox:
                del self.outbox[: self.sock.send(self.outbox)]
        except BlockingIOError:
            return False
        except OSError:
            self.outbox.clear()  # it has ended, which is noticed where it is read
        return True

    def kill(self) -> None:
        """End it now, and what it started."""
        self.alive = False
        if self.pid:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of its socket and pidfd."""
        self.sock.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def cause(code: int | None) -> str:
    """Why a worker that nobody killed has ended, as the middle of a sentence.

    Example:
        >>> cause(-11)
        'killed its process (SIGSEGV)'
        >>> cause(0)
        'ended its process (exit code 0)'
    """
    if code is None:
        return "ended its process"
    if code >= 0:
        return f"ended its process (exit code {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", most likely for want of memory on this machine" if code == -signal.SIGKILL else ""
    return f"killed its process ({name}{hint})"
