"""What a multirun may take: wall time of one start, GPU hours of all its jobs over all starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.launch.slots import Slot

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Budget:
    """Limits of a multirun; None: no limit.

    Attributes:
        seconds: wall time of this start.
        gpu_seconds: of all jobs together, over all starts.
    """

    seconds: float | None = None
    gpu_seconds: float | None = None

    def spent(self, seconds: float, gpu_seconds: float) -> str | None:
        """Why no more may be spent; None while there is something left.

        Args:
            seconds: wall time since this start.
            gpu_seconds: taken by all jobs so far, the running ones included.

        Example:
            >>> Budget(seconds=60).spent(61, 0)
            'sweep.timeout: 60 s are over'
        """
        if self.seconds is not None and seconds >= self.seconds:
            return f"sweep.timeout: {self.seconds:g} s are over"
        if self.gpu_seconds is not None and gpu_seconds >= self.gpu_seconds:
            return f"sweep.gpu_hours: {self.gpu_seconds / 3600:g} GPU hours are spent"
        return None


def budget_of(sweep: Mapping[str, Any], slots: Sequence[Slot]) -> Budget:
    """Read `sweep.timeout` and `sweep.gpu_hours`.

    Args:
        sweep: the `sweep` group.
        slots: where the jobs will run.

    Raises:
        ConfigError: one of them cannot be understood, or GPU hours are to be counted where there are no GPUs.
    """
    hours = sweep.get("gpu_hours")
    if hours is not None and hours <= 0:
        raise ConfigError(f"sweep.gpu_hours={hours:g} must be more than 0.")
    if hours is not None and not any(slot.gpus for slot in slots):
        raise ConfigError(f"sweep.gpu_hours={hours:g}, and the jobs run on the CPU; write sweep.timeout={hours:g}h.")
    timeout = sweep.get("timeout")
    return Budget(
        seconds=None if timeout is None else seconds_of(timeout),
        gpu_seconds=None if hours is None else hours * 3600,
    )


def seconds_of(value: str | float) -> float:
    """Seconds of a duration: a number, or a number with s, m, h or d behind it.

    Raises:
        ConfigError: it is something else.

    Example:
        >>> seconds_of("1.5h"), seconds_of(90)
        (5400.0, 90.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(value).strip())
    if isinstance(value, bool) or match is None or float(match[1]) == 0:
        raise ConfigError(f"sweep.timeout={value} is no duration; write 90s, 30m, 8h or 2d.")
    return float(match[1]) * _UNITS[match[2]]
