"""Finds the processes that a test has started, however far down, by a mark in their environment."""

from __future__ import annotations

import contextlib
import time

import psutil

MARK = "TEST_MARK"


def marked_processes(mark: str, seconds: float = 0.0, but: int | None = None) -> list[psutil.Process]:
    """Processes with this mark that still run.

    Args:
        mark: the value of MARK in their environment.
        seconds: how long to wait at most for there to be none.
        but: a process id that does not count.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                carries_it = process.pid != but and process.environ().get(MARK) == mark
                if carries_it and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(0.05)
