"""A line on the terminal while the jobs of a multirun are checked, which takes a third of a second each."""

from __future__ import annotations

import sys
from typing import IO

FEW = 4  # so many are checked before anyone wonders


class Checking:
    """Says which job is being checked, on one line that goes when all are; nothing where there is no terminal.

    Args:
        stream: where to write; standard error by default.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._count = 0

    def begin(self, count: int) -> None:
        """Start, with so many jobs."""
        if count <= FEW:
            return
        from grpo_cli.display.console import can_redraw  # rich: not for a start that checks little

        if can_redraw(self._stream or sys.stderr):
            self._count = count
            self._show(f"Checking {count} jobs")

    def at(self, number: int) -> None:
        """It is the turn of a job, by its number from 0."""
        if self._count:
            self._show(f"Checking job {number + 1} of {self._count}")

    def end(self) -> None:
        """Clear the line."""
        if self._count:
            self._count = 0
            self._show("")

    def _show(self, text: str) -> None:
        # The cursor goes back to the line's beginning, so that a warning is written over it.
        print(f"\x1b[2K{text}\r", end="", file=self._stream or sys.stderr, flush=True)
