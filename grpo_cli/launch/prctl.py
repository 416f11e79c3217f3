"""What a process asks of the Linux kernel about itself. Standard library only; elsewhere these do nothing."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36


def die_with_parent(sig: int = signal.SIGKILL) -> None:
    """Send this process a signal when the thread that started it ends; not inherited by its children."""
    _prctl(_PR_SET_PDEATHSIG, sig)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """Give this process the name that `ps -o comm` and `top` show, 15 characters; its forked children inherit it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)
