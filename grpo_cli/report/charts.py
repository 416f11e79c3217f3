"""A chart as data: one idea, its curves, its unit. `svg` draws it, `curves` says which charts a run has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import fmean

from grpo_cli.report.formats import NUMBER, PERCENT, show

MOST_POINTS = 240
"""More points than a chart is wide tell nothing; a longer curve is drawn as the mean and range of equal stretches."""

Point = tuple[int, float, float | None, float | None]  # step, value, low, high


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: for the legend and the values.
        points: (step, value, low, high) by rising step; low and high bound a band, None without one.
        colour: which of the palette's colours.
    """

    name: str
    points: Sequence[Point]
    colour: int = 0


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        key: its name as a file, letters, digits and hyphens.
        title: what is drawn.
        curves: at least one.
        kind: how values are shown (`formats`).
        meaning: one sentence on how to read it.
        whole: shares that are seen against the whole of 0 to 1.
        unit: what is counted, where the values do not say.
        note: what is special about this one (values that are not numbers, a condensed curve).
    """

    key: str
    title: str
    curves: Sequence[Curve]
    kind: str = NUMBER
    meaning: str = ""
    whole: bool = False
    unit: str = ""
    note: str = ""

    @property
    def steps(self) -> tuple[int, int]:
        """First and last step."""
        steps = [p[0] for curve in self.curves for p in curve.points]
        return min(steps), max(steps)

    @property
    def description(self) -> str:
        """The chart in words, for who does not see it."""
        told = []
        for curve in self.curves:
            (first_step, first, *_), (last_step, last, *_) = curve.points[0], curve.points[-1]
            name = f"{curve.name}: " if len(self.curves) > 1 else ""
            if first_step == last_step:
                told.append(f"{name}{show(last, self.kind)} at step {last_step:,}")
            else:
                told.append(
                    f"{name}from {show(first, self.kind)} at step {first_step:,} "
                    f"to {show(last, self.kind)} at step {last_step:,}"
                )
        return f"{self.title}. {'; '.join(told)}."


@dataclass
class Draft:
    """Collects curves for a chart, and leaves out what has nothing finite to draw."""

    key: str
    title: str
    kind: str = NUMBER
    meaning: str = ""
    whole: bool = False
    unit: str = ""
    _curves: list[Curve] = field(default_factory=list)
    _missing: set[int] = field(default_factory=set)
    _condensed: bool = False

    def add(self, name: str, points: Iterable[tuple[float | None, ...]], colour: int | None = None) -> Draft:
        """Add a curve of (step, value) or (step, value, low, high); values that are no numbers become gaps."""
        clean: list[Point] = []
        for point in points:
            step, value = point[0], point[1]
            if step is None or value is None:
                continue
            if not math.isfinite(value):
                self._missing.add(int(step))
                continue
            low, high = (point[2], point[3]) if len(point) == 4 else (None, None)
            bounds = (low, high) if low is not None and high is not None and math.isfinite(low + high) else (None, None)
            clean.append((int(step), float(value), *bounds))
        if clean:
            self._condensed |= len(clean) > MOST_POINTS
            colour = len(self._curves) if colour is None else colour
            self._curves.append(Curve(name, condensed(clean), colour))
        return self

    def chart(self) -> Chart | None:
        """The chart; None where there is nothing to draw."""
        if not self._curves:
            return None
        notes = []
        if self._missing:
            steps = sorted(self._missing)
            some = ", ".join(f"{s:,}" for s in steps[:5]) + (" …" if len(steps) > 5 else "")
            notes.append(f"Not a number at step{'s' * (len(steps) > 1)} {some}.")
        if self._condensed:
            notes.append("Long curve: mean and range of neighbouring logs.")
        return Chart(
            self.key, self.title, self._curves, self.kind, self.meaning, self.whole, self.unit, " ".join(notes)
        )


def condensed(points: list[Point], most: int = MOST_POINTS) -> list[Point]:
    """Replace a long curve by the means of `most` equal stretches, with their range as the band.

    The first and the last point stay as they are.
    """
    if len(points) <= most:
        return points
    inner = points[1:-1]
    edges = [round(i * len(inner) / (most - 2)) for i in range(most - 1)]
    found = [points[0]]
    for start, end in pairwise(edges):
        part = inner[start:end]
        lows = [p[1] if p[2] is None else p[2] for p in part]
        highs = [p[1] if p[3] is None else p[3] for p in part]
        found.append((part[len(part) // 2][0], fmean(p[1] for p in part), min(lows), max(highs)))
    return [*found, points[-1]]


def value_range(chart: Chart) -> tuple[float, float]:
    """Lowest and highest value of the vertical axis.

    Shares that belong to a whole get 0 to 1; what is positive starts at 0 unless that would flatten it.
    """
    values = [v for curve in chart.curves for p in curve.points for v in p[1:] if v is not None]
    low, high = min(values), max(values)
    if chart.whole and low >= 0 and high <= 1:
        return 0.0, 1.0
    if 0 <= low < 0.6 * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(high), abs(low)):  # equal but for rounding
        size = abs(high) or 1.0
        return (0.0, 1.0 if chart.kind == PERCENT else size) if high == 0 else (low - size / 2, high + size / 2)
    return low, high


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers that span low to high: steps of 1, 2, 2.5 or 5 times a power of ten."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def recoloured(chart: Chart, colours: dict[str, int]) -> Chart:
    """Give curves the colours of their names, so that one run is one colour in every chart."""
    return replace(chart, curves=[replace(c, colour=colours.get(c.name, c.colour)) for c in chart.curves])
