"""An axis of a plot: numbers evenly or by their logarithm, or words, each with its place between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.report.charts import ticks
from grpo_cli.report.formats import NUMBER, show
from grpo_cli.report.sweep.variables import Variable, logarithmic

LONGEST = 18  # characters of a word on an axis


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: what is on it.
        low, high: of numbers, the ends (of their logarithm, base 10, where `log`).
        words: of words, each in its place; empty for numbers.
        log: whether it is logarithmic.
        kind: how its numbers are shown.
        marks: (place, label) of its ticks.
    """

    title: str
    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()
    log: bool = False
    kind: str = NUMBER
    marks: list[tuple[float, str]] = field(default_factory=list)

    def at(self, value: Any) -> float:
        """A value's place: 0 at one end, 1 at the other."""
        if self.words:
            return _spaced(self.words.index(str(value)), len(self.words))
        number = math.log10(value) if self.log else float(value)
        return (number - self.low) / (self.high - self.low) if self.high > self.low else 0.5


def number_axis(title: str, values: Sequence[float], kind: str = NUMBER, exact: bool = False) -> Axis:
    """An axis of numbers, logarithmic where they spread far.

    Args:
        title: what is on it.
        values: what it has to hold.
        kind: how its numbers are shown.
        exact: it ends where the values do, and not at round numbers.
    """
    if kind == NUMBER and len(set(values)) > 1 and logarithmic(values):
        return _log_axis(title, values)
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(high), abs(low), 1e-300):
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    places = ticks(low, high)
    if exact:
        places = [v for v in places if low <= v <= high]
    axis = Axis(title, low, high, kind=kind) if exact else Axis(title, places[0], places[-1], kind=kind)
    return Axis(title, axis.low, axis.high, kind=kind, marks=[(axis.at(v), show(v, kind)) for v in places])


def variable_axis(variable: Variable) -> Axis:
    """The axis of what a sweep varied: each value where there are few, else round numbers."""
    if not variable.numeric:
        words = tuple(variable.distinct)
        places = [(_spaced(i, len(words)), shortened(word)) for i, word in enumerate(words)]
        return Axis(variable.key, words=words, marks=places)
    values = variable.distinct
    if len(values) > 6:
        return number_axis(variable.key, values)
    low, high = (math.log10(v) for v in (values[0], values[-1])) if variable.log else (values[0], values[-1])
    axis = Axis(variable.key, low, high, log=variable.log)
    return Axis(variable.key, low, high, log=variable.log, marks=[(axis.at(v), f"{v:g}") for v in values])


def shortened(text: str, most: int = LONGEST) -> str:
    """A word that fits beside an axis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _log_axis(title: str, values: Sequence[float]) -> Axis:
    low, high = math.log10(min(values)), math.log10(max(values))
    powers = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    step = max(1, len(powers) // 5)
    axis = Axis(title, low, high, log=True)
    return Axis(title, low, high, log=True, marks=[(axis.at(10.0**p), f"{10.0**p:g}") for p in powers[::step]])


def _spaced(index: int, count: int) -> float:
    """Words stand apart from the ends, where there is more than one."""
    return 0.5 if count == 1 else index / (count - 1)
