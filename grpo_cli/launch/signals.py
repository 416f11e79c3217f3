"""SIGINT, SIGTERM and SIGHUP during a run: noted, not thrown, so that cleaning up is never cut short."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from grpo_cli.errors import EXIT_SIGINT, EXIT_SIGTERM
from grpo_cli.launch.outcome import Outcome

WATCHED = ("SIGINT", "SIGTERM", "SIGHUP")
ECHO_SECONDS = 0.3


class Interrupted(BaseException):
    """The run was ended by a signal to grpo-train, and everything it had started is gone.

    Not an `Exception`: Hydra would record one as a failed job and go on with the rest of a sweep.

    Args:
        exit_code: what the command exits with: 130 after SIGINT, 143 after SIGTERM or SIGHUP.
        outcome: what became of the run; a run that ended well while the signal arrived says `completed`.
    """

    def __init__(self, exit_code: int, outcome: Outcome) -> None:
        super().__init__(f"interrupted by {outcome.signal or 'a signal'}")
        self.exit_code = exit_code
        self.outcome = outcome


class Terminated(BaseException):
    """SIGTERM or SIGHUP where no worker runs: nothing to stop, only to record and to leave."""

    exit_code = EXIT_SIGTERM


@contextmanager
def raising() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise `Terminated`, as SIGINT raises KeyboardInterrupt, so that clean-up runs."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated(f"ended by {signal.Signals(number).name}")

    former = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                former[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def exit_code_for(name: str) -> int:
    """The exit code after a signal: 130 for SIGINT, 143 for the others."""
    return EXIT_SIGINT if name == "SIGINT" else EXIT_SIGTERM


class SignalWatch:
    """Counts the signals that arrive while it is entered, and puts the former handlers back.

    Outside the main thread, where Python allows no handlers, it changes nothing and sees nothing. A signal
    that was ignored before (SIGHUP under nohup) stays ignored.

    Args:
        deaf: names of signals to let pass without noting them (Ctrl-C that belongs to a debugger).
    """

    def __init__(self, deaf: tuple[str, ...] = ()) -> None:
        self._deaf = deaf
        self.first: str | None = None
        self.count = 0
        self._last = 0.0
        self._former: dict[int, Any] = {}

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is threading.main_thread():
            for name in WATCHED:
                number = getattr(signal, name)
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def take(self, name: str) -> None:
        """Count a signal that another node of the run got as this one's."""
        self.count += 1
        self.first = self.first or name
        self._last = time.monotonic()

    def _note(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if name in self._deaf:
            return
        now = time.monotonic()
        if self.count and name == "SIGTERM" and "SLURM_JOB_ID" in os.environ:
            return  # Slurm repeats it on its way to SIGKILL: nobody's impatience
        # A wrapper (uv run, make, a shell) passes on the Ctrl-C that the terminal gave us already.
        if self.count == 0 or now - self._last > ECHO_SECONDS:
            self.count += 1
        self._last = now
        self.first = self.first or name
