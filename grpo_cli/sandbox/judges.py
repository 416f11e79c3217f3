"""Our side of the sandbox in which judges are forked: one for this process, started when it is first needed."""

from __future__ import annotations

import array
import marshal
import os
import socket
import threading
from collections.abc import Sequence
from types import TracebackType

from grpo_cli.errors import RunError
from grpo_cli.sandbox.program import Program
from grpo_cli.sandbox.settings import Isolation, Limits

# Each judge gets its own when it is forked.
_NO_LIMITS = Limits(cpu_seconds=1 << 30, memory_mb=1 << 20, processes=256, files_mb=1)


class Judge:
    """A judge at work; leaving the `with` block ends it.

    Args:
        control: our end of the socket that ends it when it closes.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()


class Judges:
    """The sandbox that judges are forked in (`sandbox.inside.judges`).

    Args:
        isolation: how it is kept.
    """

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._program = Program(
                inside="judges", limits=_NO_LIMITS, isolation=isolation, capture=False, files={4: theirs.fileno()}
            )
        try:
            self._program.started()
        except RunError:
            self.close()
            raise

    def start(self, limits: Limits, descriptors: Sequence[int]) -> Judge:
        """Fork a judge.

        Args:
            limits: its processor time and memory.
            descriptors: what it is to have from 4 on.

        Raises:
            OSError: the sandbox has ended.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = array.array("i", [theirs.fileno(), *descriptors])
        said = marshal.dumps({"cpu_seconds": limits.cpu_seconds, "memory_mb": limits.memory_mb})
        try:
            with theirs:
                self._sock.sendmsg([said], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        except OSError:
            ours.close()
            raise
        return Judge(ours)

    def close(self) -> None:
        """End it, and all judges."""
        self._sock.close()
        self._program.stop()


_lock = threading.Lock()
_judges: Judges | None = None


def start_judge(limits: Limits, isolation: Isolation, descriptors: Sequence[int]) -> Judge:
    """Fork a judge in this process's sandbox for judges.

    Args:
        limits: its processor time and memory.
        isolation: how it is kept.
        descriptors: what it is to have from 4 on: the tests, the candidate's answers, its requests, the verdicts.

    Raises:
        RunError: the sandbox could not be built.
    """
    global _judges
    with _lock:
        if _judges is not None and _judges.isolation == isolation:
            try:
                return _judges.start(limits, descriptors)
            except OSError:
                pass  # it has ended with the template
        if _judges is not None:
            _judges.close()
        _judges = None
        _judges = Judges(isolation)
        try:
            return _judges.start(limits, descriptors)
        except OSError as error:
            raise RunError(f"The sandbox for judges ended as soon as it had started: {error}") from None


def close() -> None:
    """End this process's sandbox for judges; the next judge starts another one."""
    global _judges
    with _lock:
        if _judges is not None:
            _judges.close()
        _judges = None


def _forget() -> None:
    """In a forked child: it is the parent's."""
    global _judges, _lock
    _lock = threading.Lock()
    _judges = None


os.register_at_fork(after_in_child=_forget)
