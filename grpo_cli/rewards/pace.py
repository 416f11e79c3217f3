"""Keeping to a service's limit of so much a minute."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 60.0


@dataclass(eq=False)
class Turn:
    """A place in the queue: when it may start (in the clock's seconds) and how much it counts for."""

    start: float
    amount: float


class Pace:
    """Gives turns so that what starts within any minute never exceeds the limit.

    Args:
        per_minute: the limit, in requests or tokens.
        clock: seconds that only grow.

    Example:
        >>> pace = Pace(2, clock=lambda: 100.0)
        >>> [pace.reserve().start for _ in range(5)]
        [100.0, 100.0, 160.0, 160.0, 220.0]
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self.clock = per_minute, clock
        self._window: deque[Turn] = deque()
        self._held = 0.0
        self._last = 0.0
        self._lock = threading.Lock()

    def reserve(self, amount: float = 1.0) -> Turn:
        """The next turn; the caller waits until its start. More than the limit at once gets a minute of its own."""
        with self._lock:
            start = max(self.clock(), self._last)
            while self._window and (self._window[0].start + WINDOW <= start or self._held + amount > self.per_minute):
                oldest = self._window.popleft()
                self._held -= oldest.amount
                start = max(start, oldest.start + WINDOW)
            turn = Turn(start, amount)
            self._window.append(turn)
            self._held += amount
            self._last = start
            return turn

    def correct(self, turn: Turn, amount: float) -> None:
        """Put right what a turn counts for, once that is known."""
        with self._lock:
            if turn in self._window:
                self._held += amount - turn.amount
                turn.amount = amount


def world_size() -> int:
    """How many processes of this run call a service at once; each keeps to its share of a limit."""
    return max(1, int(os.environ.get("WORLD_SIZE") or 1))
