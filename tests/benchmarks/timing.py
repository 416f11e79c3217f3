"""Medians and ratios for the benchmarks: `python -m benchmarks.<name>` from the folder `tests`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def medians_ms(*works: Callable[[], object], repeats: int = 30) -> list[float]:
    """Median wall time of each call in milliseconds.

    They take turns, so that whatever else the machine does meets all of them; a first call of each does not count.
    """
    times: list[list[float]] = [[] for _ in works]
    for repeat in range(repeats + 1):
        for work, taken in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            if repeat:
                taken.append(time.perf_counter() - started)
    return [1e3 * statistics.median(taken) for taken in times]


def compare(what: str, slow_ms: float, fast_ms: float, bar: float) -> bool:
    """Print how many times faster the second is, against what is asked of it."""
    ratio = slow_ms / fast_ms
    print(f"{what}: {slow_ms:.2f} ms against {fast_ms:.2f} ms: {ratio:.2f}x (bar {bar}x)")
    return ratio >= bar
