"""How sure a mean over prompts is: 95 % intervals by resampling the prompts.

The prompts are what was sampled from the world, so they are what is drawn again, each with all its completions:
answers to one prompt are alike, and drawing completions would make the interval too narrow.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

RESAMPLES = 2000
_CHUNK = 4_000_000  # numbers drawn at once, which bounds the memory


def mean_intervals(
    values: np.ndarray,
    *,
    shares: Sequence[bool] | bool = False,
    least: float = 0.0,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over prompts with their bootstrap intervals.

    The quantiles of the resampled means are widened for few prompts, as Student's t is wider than the normal
    distribution (Hesterberg 2015, "What teachers should know about the bootstrap", arXiv 1411.5279, section 4.3).
    Where all values are equal there is nothing to resample. Of values with known bounds the interval then says how
    many unlike prompts could have been missed, and is the exact one of a binomial at its edge (Clopper and Pearson
    1934): 1.0 of 256 prompts is [0.986, 1] and not [1, 1].

    Args:
        values: [prompts] or [prompts, metrics]; NaN where a prompt has no value.
        shares: of each metric, or of all, whether its values lie between `least` and 1.
        least: the lowest value that a share can have: 0, and -1 for a difference of two.
        confidence: of the interval.
        resamples: how often the prompts are drawn again.
        seed: of drawing; the same for all metrics, so that they move together.

    Returns:
        Means, lower and upper ends, each of shape [metrics] (or scalars); NaN where no prompt has a value.

    Example:
        >>> mean, low, high = mean_intervals(np.array([0.0, 1.0] * 50))
        >>> float(mean), round(float(low), 2), round(float(high), 2)
        (0.5, 0.4, 0.6)
    """
    table = np.asarray(values, dtype=float)
    flat = table.ndim == 1
    table = table[:, None] if flat else table
    present = ~np.isnan(table)
    filled = np.where(present, table, 0.0)
    count = present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = filled.sum(axis=0) / count
    low, high = means.copy(), means.copy()
    spread = np.array([_varies(table[present[:, j], j]) for j in range(table.shape[1])], dtype=bool)
    if spread.any():
        drawn = np.sort(_resampled_means(filled[:, spread], present[:, spread], resamples, seed), axis=0)
        for place, j in enumerate(np.flatnonzero(spread)):
            tail = _tail(confidence, int(count[j]))
            known = drawn[: np.searchsorted(drawn[:, place], np.inf, side="right"), place]  # NaN are sorted last
            low[j], high[j] = np.quantile(known, [tail, 1 - tail])
    for j in np.flatnonzero(~spread & (count > 0) & np.broadcast_to(shares, spread.shape)):
        unlike = 1 - ((1 - confidence) / 2) ** (1 / count[j])  # the share of unlike prompts that none of `count` shows
        low[j], high[j] = means[j] - unlike * (means[j] - least), means[j] + unlike * (1 - means[j])
    return (means[0], low[0], high[0]) if flat else (means, low, high)


def paired_difference(
    values: np.ndarray,
    baseline: np.ndarray,
    *,
    shares: Sequence[bool] | bool = False,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By how much the same prompts got better, with its interval: far narrower than that of two separate means.

    Args:
        values: [prompts] or [prompts, metrics], after.
        baseline: the same prompts, before.
        shares: of each metric, or of all, whether its values lie between 0 and 1.
        confidence: of the interval.
        resamples: how often the prompts are drawn again.
        seed: of drawing.

    Returns:
        Mean differences, lower and upper ends; prompts that lack one of the two values are left out.

    Example:
        >>> gain, low, high = paired_difference(np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0, 0.0]))
        >>> float(gain), bool(low < 0.5 < high)
        (0.5, True)
    """
    difference = np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float)
    return mean_intervals(difference, shares=shares, least=-1.0, confidence=confidence, resamples=resamples, seed=seed)


def _resampled_means(filled: np.ndarray, present: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means [resamples, metrics] over prompts drawn with replacement."""
    ones = present.astype(float)
    out = []
    step = max(1, _CHUNK // len(filled))
    for start in range(0, resamples, step):
        weights = _times_drawn(len(filled), min(step, resamples - start), seed, start)
        with np.errstate(invalid="ignore", divide="ignore"):
            out.append((weights @ filled) / (len(filled) if present.all() else weights @ ones))
    return np.concatenate(out)


@functools.lru_cache(maxsize=4)
def _times_drawn(prompts: int, resamples: int, seed: int, start: int) -> np.ndarray:
    """How often each prompt is drawn in each resample, [resamples, prompts]; kept for the next evaluation."""
    picks = np.random.default_rng([seed, start]).integers(0, prompts, size=(resamples, prompts))
    places = picks + np.arange(resamples)[:, None] * prompts
    return np.bincount(places.ravel(), minlength=resamples * prompts).reshape(resamples, prompts).astype(float)


def _varies(values: np.ndarray) -> bool:
    return len(values) > 1 and bool(np.ptp(values) > 0)


def _tail(confidence: float, count: int) -> float:
    """The share beyond each end of the resampled means, smaller for few prompts."""
    normal = NormalDist()
    z = normal.inv_cdf(0.5 + confidence / 2)
    freedom = count - 1
    # Student's t, by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5).
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return max(normal.cdf(-math.sqrt(count / freedom) * t), 1e-6)
