"""The two curves everybody looks at: held-out accuracy and reward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpo_cli.display import text as fmt
from grpo_cli.display.layout import ACCENT, BAD, BOLD, DIM, GOOD, beside, card, line
from grpo_cli.display.state import Point

if TYPE_CHECKING:
    from rich.text import Text

    from grpo_cli.display.view import Scene

ROWS = 4
"""Height of a chart in lines, in the two boxes of a full-size view."""
TWO_COLUMNS = 64
"""From this width on the two charts stand side by side."""


def charts(scene: Scene) -> list[Text]:
    """Held-out accuracy and reward as bar charts in two boxes; as two lines where the terminal is narrow."""
    if scene.width < TWO_COLUMNS:
        return compact_charts(scene)
    if not scene.state.evals and not scene.state.rewards:
        return []
    left = (scene.width - 1) // 2
    right = scene.width - 1 - left
    held_out, rewards = scene.state.held_out, scene.state.rewards
    return beside(
        _box(scene, f"held-out {scene.state.held_out_name}", held_out, left, GOOD, broad=True),
        _box(scene, "reward", rewards, right, ACCENT, broad=False),
    )


def compact_charts(scene: Scene) -> list[Text]:
    """The same in one line each: name, value, change, sparkline."""
    rows = []
    for name, points, style, unit in (
        (
            f"held-out {scene.state.held_out_name}",
            scene.state.held_out,
            GOOD,
            _is_share(scene.state.held_out),
        ),
        ("reward", scene.state.rewards, ACCENT, False),
    ):
        if not points:
            continue
        if scene.width < 48:
            name = name.split()[0]
        row = line((f"{name:<{19 if scene.width >= 48 else 10}}", DIM))
        row.append_text(_change(scene, points)).append("  ")
        columns = min(40, scene.width - row.cell_len)
        if columns >= 4:
            low, high = _range(points, unit)
            bars = fmt.buckets([v for _, v in points], columns)
            row.append(fmt.chart(bars, 1, low, high, scene.glyphs.levels)[0], style)
        rows.append(row)
    return rows


def _is_share(points: list[Point]) -> bool:
    """Whether all values lie in 0..1; then the whole of 0..1 is the chart's range."""
    return all(0.0 <= v <= 1.0 for _, v in points)


def _range(points: list[Point], unit: bool) -> tuple[float, float]:
    if unit or not points:
        return 0.0, 1.0
    values = [v for _, v in points]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _change(scene: Scene, points: list[Point]) -> Text:
    """`0.10 → 0.94 +0.84`: from the first value (before training, for an evaluation) to the last."""
    first, last = points[0][1], points[-1][1]
    if len(points) == 1:
        return line((fmt.decimal(last), BOLD))
    gain = last - first
    style = GOOD if gain > 0 else BAD if gain < 0 else DIM
    return line(
        (f"{fmt.decimal(first)} {scene.glyphs.arrow} ", DIM),
        (fmt.decimal(last), BOLD),
        (f"  {fmt.signed(gain)}", f"bold {style}"),
    )


def _box(scene: Scene, name: str, points: list[Point], width: int, style: str, broad: bool) -> list[Text]:
    title = line((name, BOLD))
    if points:
        title.append(f" {scene.glyphs.dot} step {points[-1][0]:,}", DIM)
    low, high = _range(points, unit=broad and _is_share(points))
    labels = [fmt.decimal(high), *[""] * (ROWS - 2), fmt.decimal(low)] if points else [""] * ROWS
    margin = max(len(label) for label in labels) + 1
    columns = width - 4 - margin
    bars = [v for _, v in points]
    # A few evaluations are drawn as a few broad bars; a curve of many logs is one bar a cell.
    thick = max(1, min(3, columns // max(1, len(bars)) - 1)) if broad else 1
    bars = fmt.buckets(bars, columns)
    rows = fmt.chart(bars, ROWS, low, high, scene.glyphs.levels)
    if thick > 1:
        rows = [" ".join(char * thick for char in row) for row in rows]
    body = [line((f"{label:>{margin - 1}} ", DIM), (row, style)) for label, row in zip(labels, rows, strict=True)]
    if points:
        note = _change(scene, points)
    else:
        note, body[ROWS // 2] = line(), line((" " * margin + "not measured yet", DIM))
    return card(title, body, width, scene.glyphs, note)
