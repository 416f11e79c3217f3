"""How much each key that a sweep varied mattered: the share of the objective's variance that it explains by itself.

Measured against Optuna's PED-ANOVA on planted cases of 12 and 24 trials (one key that matters, two that do not): this
ranks the planted key first in 89 to 100 of 100 random or sampled searches, PED-ANOVA in 69 to 78; on grids both always
do. So Optuna is not asked (tests/benchmarks/bench_importance.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpo_cli.report.sweep.read import Trial
from grpo_cli.report.sweep.variables import Variable

FEWEST = 4
"""With fewer judged jobs no share is told."""
LEVELS = 5
"""A key of at most so many different numbers is taken value by value, one of more by a parabola through them."""


@dataclass(frozen=True)
class Importance:
    """One key's share of the variance.

    Attributes:
        key: the key.
        share: 0 to 1; None where it cannot be told (each value was tried once).
    """

    key: str
    share: float | None


def importances(trials: Sequence[Trial], variables: Sequence[Variable]) -> list[Importance]:
    """Each key's share of the variance, adjusted for how many parameters it took to fit it (Ezekiel 1930).

    Args:
        trials: jobs; only those that are judged count.
        variables: what was varied.

    Returns:
        By falling share; empty with fewer than four judged jobs, or where all have one value.
    """
    values = {t.number: t.objective for t in trials if t.counts}
    numbers = sorted(values)
    y = [float(values[n] or 0.0) for n in numbers]
    if len(y) < FEWEST or max(y) - min(y) <= 1e-12:
        return []
    found = [Importance(v.key, _share(v, numbers, y)) for v in variables]
    return sorted(found, key=lambda i: -1.0 if i.share is None else i.share, reverse=True)


def _share(variable: Variable, numbers: Sequence[int], y: Sequence[float]) -> float | None:
    import numpy as np

    values = [variable.values[n] for n in numbers]
    target = np.array(y)
    different = sorted(set(values), key=str)
    if variable.numeric and len(different) > LEVELS:
        x = np.log(np.array(values)) if variable.log else np.array(values, dtype=float)
        x = (x - x.mean()) / x.std()
        columns = np.stack([np.ones_like(x), x, x * x], axis=1)
    else:
        columns = np.array([[float(value == one) for one in different] for value in values])
    left = len(y) - columns.shape[1]
    if left < 1 or columns.shape[1] < 2:
        return None
    fitted = columns @ np.linalg.lstsq(columns, target, rcond=None)[0]
    unexplained = float(((target - fitted) ** 2).sum()) / left
    return max(0.0, 1.0 - unexplained / float(target.var(ddof=1)))
