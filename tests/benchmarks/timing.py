"""Medians and ratios for the benchmarks: `python -m benchmarks.<name>` from the folder `tests`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_ms(work: Callable[[], object], repeats: int = 30) -> float:
    """Median wall time of a call in milliseconds, after one call that does not count."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def compare(what: str, slow_ms: float, fast_ms: float, bar: float) -> bool:
    """Print how many times faster the second is, against what is asked of it."""
    ratio = slow_ms / fast_ms
    print(f"{what}: {slow_ms:.2f} ms against {fast_ms:.2f} ms: {ratio:.2f}x (bar {bar}x)")
    return ratio >= bar
