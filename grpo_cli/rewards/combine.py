"""How the values of several rewards become the one number that GRPO maximises.

Each value goes through its own entry's settings, in this order: raw → `clip` → `normalize` → `gate` → weight (or
`schedule`). It is done on the values of the whole global batch, in its order and in double precision, so every rank
of any world size gets the same numbers. Light: torch is only touched where a tensor is handed in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo_cli.config.suggest import did_you_mean, meant_or_known

NORMALIZE = ("none", "running")

Row = list[float | None]


@dataclass
class Running:
    """Mean and variance of all values seen so far, by Welford's method (Technometrics 4(3), 1962).

    Attributes:
        count: values seen.
        mean: their mean.
        m2: the sum of their squared distances from it.

    Example:
        >>> seen = Running()
        >>> for value in (2.0, 4.0, 6.0):
        ...     seen.add(value)
        >>> seen.mean, round(seen.std, 4), round(seen.normalise(6.0), 4)
        (4.0, 1.633, 1.2247)
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, value: float) -> None:
        """Take one more value into account."""
        self.count += 1
        distance = value - self.mean
        self.mean += distance / self.count
        self.m2 += distance * (value - self.mean)

    @property
    def std(self) -> float:
        """The standard deviation of the values seen (of all of them, not an estimate from a sample)."""
        return math.sqrt(self.m2 / self.count) if self.count else 0.0

    def normalise(self, value: float) -> float:
        """The value in standard deviations from the mean; 0 while all values were equal."""
        std = self.std
        # Equal values need not have an exact zero: what is left is rounding, not a spread.
        return (value - self.mean) / std if std > 1e-12 * max(1.0, abs(self.mean)) else 0.0


class Combiner:
    """Applies the combining settings of a run's rewards.

    Args:
        entries: the `reward:` section, name → entry; of each, `weight`, `clip`, `normalize`, `gate` and
            `schedule` are read.

    Example:
        >>> combiner = Combiner({
        ...     "right": {"gate": "form", "clip": [0, 1]},
        ...     "form": {"schedule": {0: 1.0, 100: 0.0}},
        ... })
        >>> combiner.apply([[3.0, 1.0], [1.0, 0.25], [1.0, None]], names=["right", "form"])
        [[1.0, 1.0], [0.25, 0.25], [None, None]]
        >>> combiner.weights(50)
        [1.0, 0.5]
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries = {str(name): dict(entry) for name, entry in entries.items()}
        self._running = {
            name: Running() for name, entry in self._entries.items() if entry.get("normalize", "none") == "running"
        }

    @property
    def changes_values(self) -> bool:
        """Whether any value is changed at all; where not, `apply` gives back what it was given."""
        return any(e.get("clip") is not None or e.get("gate") for e in self._entries.values()) or bool(self._running)

    def weights(self, step: int) -> list[float]:
        """The weight of each reward, in the config's order.

        Args:
            step: optimizer steps done (0 for the first batch).
        """
        return [
            scheduled(entry["schedule"], step) if entry.get("schedule") else float(entry.get("weight", 1.0))
            for entry in self._entries.values()
        ]

    def apply(self, values: Any, *, names: Sequence[str], training: bool = True) -> Any:
        """Clip, normalise and gate the values of one global batch.

        Args:
            values: [B, R], one row per completion of the global batch, one column per reward: lists with None
                where a reward does not apply, or a tensor with NaN there.
            names: the reward of each column; a column of no entry's name stays as it is.
            training: whether the batch counts for the running statistics. Evaluation is normalised by those of
                training; while there are none, by the batch's own.

        Returns:
            The same shape and kind; `values` itself where no setting changes anything.
        """
        if not self.changes_values:
            return values
        is_tensor = hasattr(values, "detach")
        rows: list[Row] = [[_none_if_nan(v) for v in row] for row in (values.tolist() if is_tensor else values)]
        columns = {name: [self._clipped(name, row[i]) for row in rows] for i, name in enumerate(names)}
        ready = {name: self._normalised(name, column, training) for name, column in columns.items()}
        holds: dict[str, list[float | None]] = {}
        for name in names:
            gate = self._entries.get(name, {}).get("gate")
            if gate:
                ready[name] = _times(ready[name], self._holding(gate, columns, holds))
        combined = [[ready[name][i] for name in names] for i in range(len(rows))]
        if not is_tensor:
            return combined
        return values.new_tensor([[math.nan if v is None else v for v in row] for row in combined]).view_as(values)

    def state(self) -> dict[str, Any]:
        """The running statistics, as plain numbers that a checkpoint can hold (exact in JSON too)."""
        return {name: {"count": r.count, "mean": r.mean, "m2": r.m2} for name, r in self._running.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's statistics; a reward that it lacks starts from none.

        Args:
            state: what `state` gave.
        """
        self._running = {name: Running(**state.get(name, {})) for name in self._running}

    def _clipped(self, name: str, value: float | None) -> float | None:
        clip = self._entries.get(name, {}).get("clip")
        return value if value is None or clip is None else min(max(value, float(clip[0])), float(clip[1]))

    def _normalised(self, name: str, column: list[float | None], training: bool) -> list[float | None]:
        running = self._running.get(name)
        if running is None:
            return list(column)
        if not training:
            running = Running(running.count, running.mean, running.m2)
        if training or not running.count:
            for value in column:
                if value is not None:
                    running.add(value)
        return [None if value is None else running.normalise(value) for value in column]

    def _holding(
        self, name: str, columns: Mapping[str, list[float | None]], known: dict[str, list[float | None]]
    ) -> list[float | None]:
        """How far a gate is open, 0 to 1: its reward's clipped value, times that of its own gate.

        Not its normalised value, which no longer says whether something holds.
        """
        if name not in known:
            holds: list[float | None] = [None if v is None else min(max(v, 0.0), 1.0) for v in columns[name]]
            above = self._entries.get(name, {}).get("gate")
            known[name] = _times(holds, self._holding(above, columns, known)) if above else holds
        return known[name]


def scheduled(schedule: Mapping[Any, float], step: int) -> float:
    """The weight at a step: linear between the steps given, constant before the first and after the last.

    Args:
        schedule: weight by optimizer step.
        step: optimizer steps done.

    Example:
        >>> [scheduled({0: 0.0, 100: 1.0}, step) for step in (0, 25, 100, 500)]
        [0.0, 0.25, 1.0, 1.0]
    """
    points = sorted((int(at), float(weight)) for at, weight in schedule.items())
    if step <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in itertools.pairwise(points):
        if step <= right:
            return low + (high - low) * (step - left) / (right - left)
    return points[-1][1]


def check_combining(cfg_reward: Mapping[str, Any]) -> list[str]:
    """Find what is wrong with the combining settings of a config.

    Args:
        cfg_reward: the resolved `reward:` section, plain containers.

    Returns:
        One sentence per problem.

    Example:
        >>> check_combining({"right": {"gate": "from"}, "form": {}})
        ["reward.right.gate: there is no reward 'from'; did you mean 'form'?"]
    """
    entries = {str(name): entry for name, entry in cfg_reward.items() if isinstance(entry, Mapping)}
    problems = []
    for name, entry in entries.items():
        problems += _check_clip(f"reward.{name}.clip", entry.get("clip"))
        problems += _check_normalize(f"reward.{name}.normalize", entry.get("normalize", "none"))
        problems += _check_gate(name, entry.get("gate"), entries)
        problems += _check_schedule(f"reward.{name}.schedule", entry.get("schedule"))
    problems += _cycles(entries)
    weightless = [e for e in entries.values() if not (e.get("schedule") or e.get("weight", 1.0))]
    if not problems and entries and all(_never_counts(e) for e in entries.values()) and len(weightless) < len(entries):
        name = next(name for name, e in entries.items() if e.get("schedule"))
        problems.append(
            f"reward.{name}.schedule: every reward's weight is 0 at every step, so nothing would be learned"
        )
    return problems


def _check_clip(key: str, clip: Any) -> list[str]:
    if clip is None:
        return []
    pair = clip if isinstance(clip, list | tuple) else ()
    if len(pair) != 2 or not all(_is_number(v) for v in pair):
        return [f"{key} must be two numbers, the lowest and the highest, such as [-1, 1], not {clip!r}"]
    if pair[0] < pair[1]:
        return []
    return [f"{key}: the lowest comes first and differs from the highest; write [{pair[1]}, {pair[0]}]"]


def _check_normalize(key: str, normalize: Any) -> list[str]:
    if normalize in NORMALIZE:
        return []
    return [f"{key} must be {' or '.join(NORMALIZE)}, not {normalize!r}{did_you_mean(str(normalize), NORMALIZE)}"]


def _check_gate(name: str, gate: Any, entries: Mapping[str, Any]) -> list[str]:
    if gate is None or (gate in entries and gate != name):
        return []
    if gate == name:
        return [f"reward.{name}.gate: a reward cannot be its own gate; name another one, or write null"]
    return [
        f"reward.{name}.gate: there is no reward {gate!r}{meant_or_known(str(gate), [n for n in entries if n != name])}"
    ]


def _check_schedule(key: str, schedule: Any) -> list[str]:
    if schedule is None:
        return []
    example = "such as {0: 0.0, 100: 1.0}"
    if not isinstance(schedule, Mapping) or not schedule:
        return [f"{key} must give a weight for one step or more, {example}, not {schedule!r}"]
    problems = []
    for step, weight in schedule.items():
        if isinstance(step, bool) or not str(step).isdecimal():
            problems.append(f"{key}: {step!r} is no optimizer step; write whole numbers from 0, {example}")
        elif not _is_number(weight):
            problems.append(f"{key}: the weight at step {step} must be a number, not {weight!r}")
    return problems


def _cycles(entries: Mapping[str, Any]) -> list[str]:
    """Gates that lead back to where they began; each circle is told once."""
    problems: list[str] = []
    told: set[str] = set()
    for start in entries:
        path = [start]
        while (gate := entries[path[-1]].get("gate")) in entries and gate not in path:
            path.append(gate)
        if gate == start and len(path) > 1 and start not in told:
            told.update(path)
            problems.append(
                f"reward.{start}.gate: the gates {' → '.join([*path, start])} go round in a circle; set one to null"
            )
    return problems


def _never_counts(entry: Mapping[str, Any]) -> bool:
    schedule = entry.get("schedule")
    return all(weight == 0 for weight in schedule.values()) if schedule else entry.get("weight", 1.0) == 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _none_if_nan(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _times(left: Sequence[float | None], right: Sequence[float | None]) -> list[float | None]:
    return [None if a is None or b is None else a * b for a, b in zip(left, right, strict=True)]
