"""What rewards and services say while they work, to whoever follows the run. Light.

A reward knows nothing of the run that it scores for, so this is one place in a process: a training run listens and
shows what is said as its own warnings; elsewhere it goes to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def say(sentence: str) -> None:
    """Tell a person something while the work goes on."""
    for listener in _listeners or [_to_stderr]:
        listener(sentence)


def listen(listener: Callable[[str], None]) -> None:
    """Have what is said in this process from now on, in place of standard error."""
    _listeners[:] = [listener]


def _to_stderr(sentence: str) -> None:
    # On a terminal a line of progress may stand there, which this replaces.
    print(f"\r\033[K{sentence}" if sys.stderr.isatty() else sentence, file=sys.stderr, flush=True)
