"""What the rules read: the run's training logs, evaluations and completions so far, as numbers by step."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.doctor.digest import Digest, digest

START_STEPS = 5
"""Optimizer steps that count as the run's beginning, against which later ones are held."""

RECENT_STEPS = 10
"""Optimizer steps that count as now."""

KEPT_BATCHES = 16
"""Batches of completions that are remembered."""

_MOST, _FIRST, _LAST = 256, 16, 96
"""Of more logs than the most, every second one between the first and the last is let go: rules stay quick."""

_ACCURACY = re.compile(r"eval/(?:[^/]+/)?accuracy")


@dataclass(frozen=True)
class Point:
    """One logged value: means over the steps since the log before it."""

    step: int
    value: float


def finite(value: Any) -> float | None:
    """A metric as a finite number; None for what is missing, NaN or infinite (which files hold as text)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def mean(points: Sequence[Point]) -> float:
    """The mean value."""
    return statistics.fmean(p.value for p in points)


@dataclass
class History:
    """All that is known of a run at this moment; grows by one record at a time.

    Attributes:
        train: the training logs, in order.
        evals: the held-out evaluations, in order.
        digests: of the last training batches, what their completions look like.
    """

    train: list[Mapping[str, Any]] = field(default_factory=list)
    evals: list[Mapping[str, Any]] = field(default_factory=list)
    digests: list[Digest] = field(default_factory=list)
    _series: dict[str, list[Point]] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> bool:
        """Take in a record of metrics.jsonl.

        Returns:
            Whether it is of a kind that rules look at.
        """
        kind = record.get("kind")
        if kind not in ("train", "eval"):
            return False
        (self.train if kind == "train" else self.evals).append(record)
        step = int(record.get("step") or 0)
        for key, given in record.items():
            if (value := finite(given)) is not None and key not in ("kind", "step"):
                points = self._series.setdefault(key if kind == "train" else f"{kind}:{key}", [])
                points.append(Point(step, value))
                _thin(points)
        _thin(self.train)
        _thin(self.evals)
        return True

    def add_completions(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take in the completions of one training batch."""
        if found := digest(records):
            self.digests = [*self.digests[1 - KEPT_BATCHES :], found]

    @property
    def step(self) -> int:
        """The last step of which something is known."""
        last = [records[-1].get("step") or 0 for records in (self.train, self.evals) if records]
        return int(max(last, default=0))

    def series(self, key: str) -> list[Point]:
        """A training metric over the run, where it is a finite number."""
        return self._series.get(key, [])

    def start(self, key: str) -> list[Point]:
        """A training metric in the run's first steps: at least two logs, where there are as many."""
        points = self.series(key)
        early = [p for p in points[:START_STEPS] if p.step <= points[0].step + START_STEPS - 1]
        return early if len(early) >= 2 else points[:2]

    def recent(self, key: str, steps: int = RECENT_STEPS, least: int = 2) -> list[Point]:
        """A training metric over the last `steps` steps, or the last `least` logs where those reach further back.

        What belongs to the run's start (`start`) is left out, so that the two can be compared; empty as long as
        too little is known beside it.
        """
        points = self.series(key)
        if not points or points[-1].step - points[0].step < steps:
            return []
        after_start = points[len(self.start(key)) :]
        within = sum(p.step > points[-1].step - steps for p in after_start[-steps:])
        return after_start[-max(within, least) :] if len(after_start) >= least else []

    def keys(self, prefix: str, suffix: str) -> list[str]:
        """The names between a prefix and a suffix of training metrics, as in `rewards/<name>/mean`."""
        return [
            key[len(prefix) : len(key) - len(suffix)]
            for key in self._series
            if key.startswith(prefix) and key.endswith(suffix) and len(key) > len(prefix) + len(suffix)
        ]

    def held_out(self) -> dict[str, list[Point]]:
        """What held-out evaluations say of each data set: accuracy where they measure it, else the mean reward.

        Not of the parts of one (`eval/<data set>/<column>=<value>/accuracy`): these are small, and move by chance.
        """
        found = {}
        for key, points in self._series.items():
            if key.startswith("eval:") and _ACCURACY.fullmatch(name := key.removeprefix("eval:")):
                found[name] = points
        if not found:
            found = {
                key.removeprefix("eval:"): points
                for key, points in self._series.items()
                if re.fullmatch(r"eval:eval/(?:held_out/)?reward", key)
            }
        return found

    def reward_error(self, points: Sequence[Point], groups_per_step: float) -> float:
        """The standard error of a mean of `reward` over some logs, taking each group as one observation.

        Completions of one prompt are alike, so a batch holds less evidence than it has completions; the
        spread of all completions over the number of groups is the cautious end.

        Args:
            points: logs of `reward`.
            groups_per_step: groups a step is made of.
        """
        if not points:
            return math.inf
        wanted = {p.step for p in points}
        deviations = [p.value for p in self.series("reward_std") if p.step in wanted]
        # A constant reward has no spread within its batch; what its logs differ by is all there is to see.
        centre = mean(points)
        between = math.sqrt(sum((p.value - centre) ** 2 for p in points) / len(points))
        typical = max(statistics.fmean(deviations) if deviations else 0.0, between)
        return typical / math.sqrt(max(1.0, groups_per_step * self.steps_of(points)))

    def steps_of(self, points: Sequence[Point]) -> int:
        """How many optimizer steps some consecutive logs are means over."""
        steps = (int(r.get("step") or 0) for r in reversed(self.train))
        before = next((step for step in steps if step < points[0].step), 0)
        return max(1, points[-1].step - before)


def _thin(items: list[Any]) -> None:
    """Let every second one of the middle go where there are too many."""
    if len(items) > _MOST:
        items[_FIRST:-_LAST] = items[_FIRST:-_LAST:2]
