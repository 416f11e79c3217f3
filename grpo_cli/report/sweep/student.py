"""Student's t distribution for whole degrees of freedom, by its closed form: no scipy is needed for a few tests.

Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import fmean, stdev


def two_sided(t: float, freedom: int) -> float:
    """The chance of a value at least as far from 0 as `t`.

    Args:
        t: the statistic.
        freedom: degrees of freedom, at least 1.

    Returns:
        The two-sided p-value, 0 to 1.
    """
    if math.isinf(t):
        return 0.0
    angle = math.atan(abs(t) / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    # The sum's terms are powers of the cosine, each with its factor from the one before.
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1.0 - inside))


@functools.lru_cache(maxsize=256)
def critical(alpha: float, freedom: int) -> float:
    """The t that is exceeded, on both sides together, with chance `alpha`.

    Args:
        alpha: between 0 and 1.
        freedom: degrees of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while two_sided(high, freedom) > alpha:
        high *= 2
        if high > 1e12:
            return math.inf
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, freedom) > alpha else (low, middle)
        if high - low <= 1e-12 * high:
            break
    return (low + high) / 2


def mean_interval(values: Sequence[float], alpha: float = 0.05) -> tuple[float, float, float]:
    """A mean with its interval of confidence 1 - `alpha`; at least two values that are not all equal.

    Args:
        values: independent draws, one a seed.
        alpha: the chance that the interval misses.

    Returns:
        Mean, lower and upper end.
    """
    mean = fmean(values)
    half = critical(alpha, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def mean_p(values: Sequence[float]) -> float:
    """The p-value of a mean of 0; at least two values that are not all equal."""
    t = fmean(values) / (stdev(values) / math.sqrt(len(values)))
    return two_sided(t, len(values) - 1)


def welch(a: Sequence[float], b: Sequence[float], alpha: float) -> tuple[float, float, float, float]:
    """The difference of the means of two unpaired samples (Welch 1947), degrees of freedom rounded down.

    Args:
        a: at least two values.
        b: likewise; not both samples without spread.
        alpha: the chance that the interval misses.

    Returns:
        Mean of `a` less mean of `b`, lower and upper end, p-value.
    """
    parts = [stdev(x) ** 2 / len(x) for x in (a, b)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (a, b), strict=True))
    whole = max(1, math.floor(freedom + 1e-9))
    difference = fmean(a) - fmean(b)
    half = critical(alpha, whole) * error
    return difference, difference - half, difference + half, two_sided(difference / error, whole)
