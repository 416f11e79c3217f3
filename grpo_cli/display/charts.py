"""The two curves everybody looks at: held-out accuracy and reward."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, GOOD, line
from grpo_cli.display.scene import Scene
from grpo_cli.display.state import Point

ROWS = 4
"""Height of a chart in lines, in the two boxes of a full-size view."""
TWO_COLUMNS = 64
"""From this width on the two charts stand side by side."""


def charts(scene: Scene) -> RenderableType | None:
    """Held-out accuracy and reward as bar charts in two boxes; as two lines where the terminal is narrow."""
    state = scene.state
    if scene.width < TWO_COLUMNS:
        return compact_charts(scene)
    if not state.evals and not state.rewards:
        return None
    width = (scene.width - 1) // 2
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(
        _box(scene, f"held-out {state.held_out_name}", state.held_out, width, GOOD, evaluations=True),
        _box(scene, "reward", state.rewards, scene.width - 1 - width, ACCENT),
    )
    return grid


def compact_charts(scene: Scene) -> RenderableType | None:
    """The same in one line each: name, value, change, sparkline."""
    state, rows = scene.state, []
    wide = scene.width >= 48
    for name, points, style, evaluations in (
        (f"held-out {state.held_out_name}" if wide else "held-out", state.held_out, GOOD, True),
        ("reward", state.rewards, ACCENT, False),
    ):
        if not points:
            continue
        margin = state.held_out_margin if wide and evaluations else None
        row = line((f"{name:<{19 if wide else 10}}", DIM), _change(scene, points, margin), "  ")
        columns = min(40, scene.width - row.cell_len)
        if columns >= 4:
            bars = buckets([v for _, v in points], columns)
            low, high = _range(points, evaluations)
            row.append(chart(bars, 1, low, high, scene.glyphs.levels)[0], style)
        rows.append(row)
    return Group(*rows) if rows else None


def _range(points: list[Point], evaluations: bool) -> tuple[float, float]:
    """Lowest and highest value of a chart; evaluations that are shares are seen against the whole of 0..1."""
    values = [v for _, v in points]
    low, high = min(values), max(values)
    if evaluations and low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (min(low, 0.0), max(high, 0.0) or 1.0)


def _change(scene: Scene, points: list[Point], margin: float | None = None) -> Text:
    """`0.10 → 0.94  +0.84 ±0.04`: from the first value (before training, for an evaluation) to the last, how surely."""
    first, last = points[0][1], points[-1][1]
    if len(points) == 1:
        return line((fmt.decimal(last), BOLD))
    gain = last - first
    style = GOOD if gain > 0 else BAD if gain < 0 else DIM
    return line(
        (f"{fmt.decimal(first)} {scene.glyphs.arrow} ", DIM),
        (fmt.decimal(last), BOLD),
        (f"  {fmt.signed(gain)}", f"bold {style}"),
        (fmt.margin(margin), DIM),
    )


def _box(
    scene: Scene, name: str, points: list[Point], width: int, style: str, evaluations: bool = False
) -> RenderableType:
    title, change = line((name, BOLD)), None
    body = [line()] * ROWS
    if points:
        title.append(f" {scene.glyphs.dot} step {points[-1][0]:,}", DIM)
        change = _change(scene, points, scene.state.held_out_margin if evaluations else None)
        low, high = _range(points, evaluations)
        labels = [fmt.decimal(high), *[""] * (ROWS - 2), fmt.decimal(low)]
        margin = max(map(len, labels))
        columns = width - 5 - margin
        bars = buckets([v for _, v in points], columns)
        rows = chart(bars, ROWS, low, high, scene.glyphs.levels)
        if evaluations:  # a few evaluations are drawn as a few broad bars
            thick = max(1, min(3, columns // len(bars) - 1))
            rows = [" ".join(char * thick for char in row) for row in rows] if thick > 1 else rows
        body = [line((f"{label:>{margin}} ", DIM), (row, style)) for label, row in zip(labels, rows, strict=True)]
    else:
        body[ROWS // 2] = line((" not measured yet", DIM))
    return scene.panel(title, body, subtitle=change, width=width)


def buckets(values: Sequence[float], columns: int) -> list[float]:
    """Average a series into at most `columns` equal stretches; a shorter one stays as it is."""
    if len(values) <= columns or columns <= 0:
        return list(values[: max(0, columns)])
    edges = [round(i * len(values) / columns) for i in range(columns + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def chart(values: Sequence[float], rows: int, low: float, high: float, levels: str) -> list[str]:
    """Draw a series as vertical bars.

    Args:
        values: one bar each, all finite.
        rows: height in lines.
        low: value of an (almost) empty bar.
        high: value of a full bar.
        levels: the characters from empty to full, `levels[0]` being a blank.

    Returns:
        `rows` strings, the top line first. A bar never vanishes: the lowest value shows its first level.
    """
    span = (high - low) or 1.0
    steps = len(levels) - 1
    shares = (min(1.0, max(0.0, (value - low) / span)) for value in values)
    heights = [max(1, round(share * rows * steps)) for share in shares]
    return [
        "".join(levels[min(steps, max(0, height - row * steps))] for height in heights)
        for row in range(rows - 1, -1, -1)
    ]
