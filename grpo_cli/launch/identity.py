"""Who a process is: its pid and the moment it started, which together are never reused.

Standard library only, so that a worker can check on its composer before anything is imported.
"""

from __future__ import annotations

import os
from pathlib import Path


def start_mark(pid: int) -> str | None:
    """The moment a process started, as a text to compare.

    On Linux the kernel's own count of clock ticks since boot: unlike a wall-clock time it does not move
    when the clock is set.

    Args:
        pid: the process.

    Returns:
        The mark, or None when there is no such process (a zombie is none: it runs no more).
    """
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The second field, the command in brackets, may itself hold spaces and brackets.
        fields = stat[stat.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else fields[19]
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None


def own_identity() -> str:
    """This process as `pid:mark`, for the environment of its children."""
    return f"{os.getpid()}:{start_mark(os.getpid())}"


def is_running(identity: str) -> bool:
    """Whether the process an `own_identity()` text names still runs."""
    pid, _, mark = identity.partition(":")
    return start_mark(int(pid)) == mark
