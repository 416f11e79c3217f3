"""How a launch ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How a launch ended.

    `exit_code` is the run's own: 0, 1, 2 (wrong configuration), 130 or 143. `signal` names the signal that
    grpo-train got, if any. `error` is the message for the user of a failed run. `seconds` is wall time.
    """

    exit_code: int
    status: str
    signal: str | None
    error: str | None
    seconds: float
