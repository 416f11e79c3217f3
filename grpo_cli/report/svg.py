"""Draw a chart as SVG: for the page (coloured by its style sheet) or as a file of its own (colours inside)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grpo_cli.report.charts import Chart, Point, ticks, value_range
from grpo_cli.report.formats import capital, show
from grpo_cli.report.markup import Markup, el, join

WIDTH, HEIGHT = 372, 204
"""Of a chart among others; drawn at about this size on a desktop and on a phone, so that its text stays readable."""
PALETTE = ("#0b6bcb", "#c2410c", "#15803d", "#a21caf", "#0e7490", "#a16207", "#be123c", "#4f46e5")
"""Eight colours, each of a contrast of at least 4.5 to white; page.css has others for a dark page."""
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""From the ninth curve on, colours come again, dashed."""
CHARACTER = 6.6  # width of a digit at the size of tick labels
FEW = 40  # with at most so many points each one is marked


@dataclass(frozen=True)
class Frame:
    """Where things are in a chart of `width` by `height`: the plot's edges and its ranges."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, step: float, value: float) -> tuple[float, float]:
        """A point's place."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = (step - x0) / (x1 - x0) if x1 > x0 else 0.5
        up = (value - y0) / (y1 - y0)
        return (
            round(self.left + across * (self.right - self.left), 1),
            round(self.bottom - up * (self.bottom - self.top), 1),
        )


def draw(chart: Chart, width: int = WIDTH, height: int = HEIGHT, top: float = 8, **attributes: object) -> Markup:
    """Draw a chart for the page; the style sheet colours it.

    Args:
        chart: what to draw.
        width: in user units, as many as it will have pixels.
        height: likewise.
        top: room left above the plot.
        attributes: further attributes of the `<svg>`.
    """
    low, high = value_range(chart)
    marks = ticks(low, high, 4 if height < 260 else 5)
    labels = [show(mark, chart.kind) for mark in marks]
    left = max(len(label) for label in labels) * CHARACTER + 10
    x = chart.steps
    frame = Frame(width, height, left, width - 10, top, height - 24, x, (marks[0], marks[-1]))
    parts: list[Markup | None] = [*_grid(frame, marks, labels), *_steps(frame)]
    parts += [_band(frame, curve.points, curve.colour) for curve in chart.curves]
    parts += [_line(frame, curve.points, curve.colour) for curve in chart.curves]
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=chart.description,
        data_plot=json.dumps(_data(chart, frame), separators=(",", ":")),
        **attributes,
    )


def standalone(chart: Chart, width: int = 640, height: int = 360) -> str:
    """A chart as an SVG file: title, legend and colours inside, on white."""
    rows = _legend(chart, width)
    top = 44 + 18 * (1 + max((row for _, _, row in rows), default=-1))
    body = draw(chart, width, height + top - 40, top=top)
    style = (
        "text{font-family:Helvetica,Arial,sans-serif;font-size:11px;fill:#475569}"
        ".title{font-size:15px;font-weight:bold;fill:#0f172a}.name{font-size:12px;fill:#0f172a}"
        ".grid{stroke:#e2e8f0;stroke-width:1}.band{stroke:none;fill-opacity:.16}"
        ".line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
        + "".join(f".line.s{i}{{stroke:{c}}}.band.s{i},.dot.s{i}{{fill:{c}}}" for i, c in enumerate(PALETTE))
    )
    extra = [el("style", Markup(style)), el("rect", width="100%", height="100%", fill="#ffffff")]
    extra.append(
        el("text", capital(chart.title) + (f" ({chart.unit})" if chart.unit else ""), x=10, y=24, class_="title")
    )
    for name, x, row in rows:
        curve = chart.curves[name]
        y = 44 + 18 * row
        extra.append(el("path", d=f"M{x} {y - 4}h16", class_=f"line s{curve.colour % 8}", **_dash(curve.colour)))
        extra.append(el("text", curve.name, x=x + 22, y=y, class_="name"))
    start, rest = body.split(">", 1)
    start = start.split(" data-plot=")[0].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    size = f' width="{width}" height="{height + top - 40}"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{start}{size}>{join(*extra)}{rest}\n'


def _legend(chart: Chart, width: int) -> list[tuple[int, float, int]]:
    """Where each curve's name stands: (curve, x, row); nothing for a single curve."""
    if len(chart.curves) < 2:
        return []
    places, x, row = [], 10.0, 0
    for i, curve in enumerate(chart.curves):
        room = 22 + 6.8 * len(curve.name) + 18
        if x > 10 and x + room > width:
            x, row = 10.0, row + 1
        places.append((i, x, row))
        x += room
    return places


def _grid(frame: Frame, marks: Sequence[float], labels: Sequence[str]) -> list[Markup]:
    parts = []
    for mark, label in zip(marks, labels, strict=True):
        _, y = frame.at(frame.x[0], mark)
        parts.append(el("path", d=f"M{frame.left:.1f} {y}H{frame.right}", class_="grid"))
        parts.append(el("text", label, x=f"{frame.left - 6:.1f}", y=y + 3.5, text_anchor="end"))
    return parts


def _steps(frame: Frame) -> list[Markup]:
    """Labels of the horizontal axis: its round steps, and at its start the word `step`."""
    first, last = frame.x
    marks = [first] if first == last else [m for m in ticks(first, last, 4) if first <= m <= last and m == int(m)]
    y = frame.height - 6
    parts = [el("text", "step", x=0, y=y)]
    for mark in marks:
        x, _ = frame.at(mark, frame.y[0])
        label = f"{int(mark):,}"
        anchor = "end" if x + len(label) * CHARACTER / 2 > frame.width else "middle"
        if x - len(label) * CHARACTER / 2 > 30:
            parts.append(el("text", label, x=x if anchor == "middle" else frame.width, y=y, text_anchor=anchor))
    return parts


def _line(frame: Frame, points: Sequence[Point], colour: int) -> Markup:
    places = [frame.at(step, value) for step, value, *_ in points]
    path = "M" + "L".join(f"{x} {y}" for x, y in places)
    parts = [el("path", d=path, class_=f"line s{colour % 8}", **_dash(colour))] if len(places) > 1 else []
    if len(places) <= FEW:
        radius = 3 if len(places) == 1 else 2
        parts += [el("circle", cx=x, cy=y, r=radius, class_=f"dot s{colour % 8}") for x, y in places]
    return join(*parts)


def _band(frame: Frame, points: Sequence[Point], colour: int) -> Markup | None:
    bounded = [(step, low, high) for step, _, low, high in points if low is not None and high is not None]
    if len(bounded) < 2:
        return None
    above = [frame.at(step, high) for step, _, high in bounded]
    below = [frame.at(step, low) for step, low, _ in reversed(bounded)]
    path = "M" + "L".join(f"{x} {y}" for x, y in above + below) + "Z"
    return el("path", d=path, class_=f"band s{colour % 8}")


def _dash(colour: int) -> dict[str, object]:
    dash = DASHES[colour // 8 % len(DASHES)]
    return {"stroke_dasharray": dash} if dash else {}


def _data(chart: Chart, frame: Frame) -> dict[str, object]:
    """What the page's script needs to show values under the pointer."""
    return {
        "title": chart.title,
        "kind": chart.kind,
        "box": [round(frame.left, 1), frame.top, frame.right, frame.bottom],
        "x": frame.x,
        "y": frame.y,
        "curves": [
            {
                "name": curve.name,
                "colour": curve.colour % 8,
                "points": [[_short(v) for v in p[: 4 if p[2] is not None else 2]] for p in curve.points],
            }
            for curve in chart.curves
        ],
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
