"""What the held-out evaluations of a run measured: which metric to judge by, and how it changed, with intervals.

Names are `eval/<data set>/<metric>`, with `<metric>_low`, `_high` (95 % interval) and `<metric>_gain`, `_gain_low`,
`_gain_high` (paired difference to the baseline) beside; `eval/<data set>/<column>=<value>/<metric>` for a tag.
A run's own held-out rows are the data set `held_out`. Without a data set (`eval/accuracy`) that one is meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grpo_cli.report.formats import NUMBER, PERCENT
from grpo_cli.report.read import Record, names
from grpo_cli.runs.metrics import number

HELD_OUT = "held_out"
BESIDE = ("_low", "_high", "_gain", "_gain_low", "_gain_high")
NOT_MEASURED = {"samples", "seconds", "prompts"}
SHARES = ("accuracy", "truncated", "pass@", "maj@", "pass^")


@dataclass(frozen=True)
class Metric:
    """One held-out metric's name, taken apart.

    Attributes:
        key: as it stands in the records.
        dataset: the data set.
        tag: `<column>=<value>`, or "".
        name: accuracy, reward, pass@4, a reward's own name, …
    """

    key: str
    dataset: str
    tag: str
    name: str

    @property
    def kind(self) -> str:
        """How its values are shown."""
        return PERCENT if self.name.startswith(SHARES) else NUMBER

    @property
    def title(self) -> str:
        """`held-out accuracy`, `gsm8k pass@4 (level=hard)`."""
        where = "held-out" if self.dataset == HELD_OUT else self.dataset
        return f"{where} {self.name.replace('_', ' ')}" + (f" ({self.tag})" if self.tag else "")


@dataclass(frozen=True)
class Gain:
    """How a metric changed from the first evaluation to the last.

    Attributes:
        metric: which one.
        first_step, first: the baseline.
        last_step, last: the end.
        low, high: 95 % interval of last - first; None where none was recorded.
        best_step, best: where it was highest.
        last_low, last_high: 95 % interval of the last value; None where none was recorded.
        best_low, best_high: that of the best.
    """

    metric: Metric
    first_step: int
    first: float
    last_step: int
    last: float
    low: float | None
    high: float | None
    best_step: int
    best: float
    last_low: float | None = None
    last_high: float | None = None
    best_low: float | None = None
    best_high: float | None = None

    @property
    def value(self) -> float:
        """The change: `last` less `first`."""
        return self.last - self.first

    @property
    def lost(self) -> bool:
        """Whether the last is surely worse than the best: their intervals do not touch."""
        if None in (self.last_low, self.last_high, self.best_low, self.best_high):
            return False
        return self.last_high < self.best_low or self.last_low > self.best_high  # type: ignore[operator]


def parse(key: str) -> Metric | None:
    """Take a metric's name apart; None for what is no held-out metric, or a number beside one."""
    parts = key.split("/")
    if len(parts) < 2 or parts[0] != "eval" or key.endswith(BESIDE) or parts[-1] in NOT_MEASURED:
        return None
    if len(parts) == 2:
        return Metric(key, HELD_OUT, "", parts[1])
    tag = "/".join(parts[2:-1])
    return Metric(key, parts[1], tag, parts[-1]) if not tag or "=" in tag else None


def metrics_of(evals: Sequence[Record]) -> list[Metric]:
    """Every held-out metric of a run; the run's own held-out rows first."""
    found = [metric for key in names(evals) if (metric := parse(key)) is not None]
    return sorted(found, key=lambda m: m.dataset != HELD_OUT)


def primary(evals: Sequence[Record], objective: str | None = None) -> Metric | None:
    """The metric to judge a run by: accuracy where one was measured, else its held-out objective, else the reward."""
    overall = [m for m in metrics_of(evals) if not m.tag]
    for wanted in ("accuracy", objective, "pass@1", "reward"):
        for metric in overall:
            if wanted and wanted in (metric.name, metric.key):
                return metric
    return overall[0] if overall else None


def points(evals: Sequence[Record], key: str) -> list[tuple[int, float, float | None, float | None]]:
    """A metric over the steps with its interval: (step, value, low, high), finite values only."""
    found = []
    for record in evals:
        value = number(record, key)
        if value is not None and math.isfinite(value):
            found.append((int(record["step"]), value, number(record, f"{key}_low"), number(record, f"{key}_high")))
    return found


def gain(evals: Sequence[Record], metric: Metric, direction: str = "maximize") -> Gain | None:
    """How a metric changed from the first evaluation to the last; None with fewer than two.

    Args:
        evals: the evaluations by rising step.
        metric: which one.
        direction: whether more ("maximize") or less of it is better, for `best`.
    """
    measured = points(evals, metric.key)
    if len(measured) < 2:
        return None
    (first_step, first, *_), (last_step, last, last_low, last_high) = measured[0], measured[-1]
    sign = -1 if direction == "minimize" else 1
    best_step, best, *best_ends = max(measured, key=lambda p: (sign * p[1], -p[0]))
    end = next(record for record in reversed(evals) if int(record["step"]) == last_step)
    low, high = number(end, f"{metric.key}_gain_low"), number(end, f"{metric.key}_gain_high")
    return Gain(metric, first_step, first, last_step, last, low, high, best_step, best, last_low, last_high, *best_ends)
