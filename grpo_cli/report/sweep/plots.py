"""The plots of a sweep, drawn as SVG: every mark belongs to a job, and says so to the page's script and to a reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grpo_cli.report.formats import COUNT, capital, show
from grpo_cli.report.markup import Markup, el, join
from grpo_cli.report.read import series
from grpo_cli.report.svg import CHARACTER
from grpo_cli.report.sweep.axes import Axis, number_axis, shortened, variable_axis
from grpo_cli.report.sweep.groups import short_seed
from grpo_cli.report.sweep.read import Trial
from grpo_cli.report.sweep.standings import Standings, kind_of, title_of
from grpo_cli.report.sweep.variables import Variable
from grpo_cli.runs.result import PRUNED

SIZES = {"wide": (548, 260), "narrow": (372, 230)}
"""On a desktop and on a phone, so that text is readable on both."""
FULL_WIDTH = 1070
LEVELS = 8
"""Colours from the worst objective to the best."""
MOST_VARIABLES = 8
BEST, BEYOND = "best", "pruned"


@dataclass(frozen=True)
class Plot:
    """One plot.

    Attributes:
        key: its name as a file.
        title: what is drawn.
        drawing: the `<svg>` element.
        meaning: one sentence on how to read it.
    """

    key: str
    title: str
    drawing: Markup
    meaning: str = ""


def plots(board: Standings) -> list[Plot]:
    """Every plot that a sweep has something for."""
    found = [over_trials(board), learning_curves(board), parallel(board)]
    found += [front(board, 0, i) for i in range(1, len(board.sweep.objectives))]
    return [plot for plot in found if plot is not None]


def over_trials(board: Standings) -> Plot | None:
    """The objective of each job by its number, with the best so far as a line."""
    judged = _with_value(board)
    if len(judged) < 2:
        return None
    across = number_axis("job", [float(t.number) for t in judged], COUNT, exact=True)
    up = number_axis(board.title, [t.objective or 0.0 for t in judged], board.kind)
    best, so_far = None, []
    pick = min if board.sweep.minimize else max
    for trial in judged:
        if trial.counts:
            best = trial.objective if best is None else pick(best, trial.objective or 0.0)
        if best is not None:
            so_far.append((float(trial.number), best))

    def marks(frame: _Frame) -> list[Markup | None]:
        line = el("path", d=_steps([frame.at(x, y) for x, y in so_far]), class_="so-far") if so_far else None
        return [line, *(_dot(board, t, *frame.at(t.number, t.objective)) for t in judged)]

    note = "The line is the best so far." + (" Rings are pruned jobs." if _any_pruned(judged) else "")
    told = f"{board.title} of {len(judged)} jobs by number"
    return Plot("objective-over-jobs", f"{capital(board.title)} by job", _drawn(across, up, told, marks), note)


def learning_curves(board: Standings) -> Plot | None:
    """The objective's curve of every job over one another."""
    name = board.sweep.objectives[0]
    curves = [(t, series(t.run.evals, name) or series(t.run.train, name)) for t in board.sweep.trials]
    curves = [(t, [(s, v) for s, v in points if v == v and abs(v) != float("inf")]) for t, points in curves]
    curves = [(t, points) for t, points in curves if points]
    if not any(len(points) > 1 for _, points in curves):
        return None
    across = number_axis("step", [float(s) for _, points in curves for s, _ in points], COUNT, exact=True)
    up = number_axis(board.title, [v for _, points in curves for _, v in points], board.kind)
    best = board.best_trial
    curves.sort(key=lambda c: c[0] is best)  # the best one over the others

    def marks(frame: _Frame) -> list[Markup | None]:
        return [_line(board, t, [frame.at(s, v) for s, v in points]) for t, points in curves]

    said = f"{board.title} over the steps of {len(curves)} jobs"
    note = "Each line is a job; the bold one is the best job of the setting with the best mean."
    return Plot("learning-curves", "Learning curves", _drawn(across, up, said, marks), note)


def parallel(board: Standings) -> Plot | None:
    """Each job as a line through its settings to its objective."""
    judged = _with_value(board)
    varied = board.variables[:MOST_VARIABLES]
    if not varied or len(judged) < 2:
        return None
    axes = [variable_axis(v) for v in varied]
    axes.append(number_axis(board.title, [t.objective or 0.0 for t in judged], board.kind))
    said = f"{len(judged)} jobs as lines through {', '.join(v.key for v in varied)} to {board.title}"
    drawing = join(
        _parallel(board, judged, varied, axes, max(FULL_WIDTH, 130 * len(axes)), said, "wide"),
        _parallel(board, judged, varied, axes, max(340, 130 * len(axes)), said, "narrow"),
    )
    rest = len(board.variables) - len(varied)
    note = "The deeper the colour, the better the objective." + (f" {rest} more keys are not drawn." if rest else "")
    return Plot("parallel-coordinates", "Settings and what they led to", drawing, note)


def _parallel(
    board: Standings,
    judged: Sequence[Trial],
    varied: Sequence[Variable],
    axes: Sequence[Axis],
    width: float,
    said: str,
    class_: str,
) -> Markup:
    """The drawing of `parallel` in one width."""
    height, top, bottom = 300, 34, 286.0
    right = width - 64.0
    across = [10.0 + i * (right - 10.0) / (len(axes) - 1) for i in range(len(axes))]
    names = [axis.title.rpartition(".")[2] for axis in axes[:-1]]
    titles = [n if names.count(n) == 1 else a.title for n, a in zip(names, axes, strict=False)] + [axes[-1].title]

    def up(place: float) -> float:
        return round(bottom - place * (bottom - top), 1)

    rules, labels = [], []
    for x, axis, title in zip(across, axes, titles, strict=True):
        last = axis is axes[-1]
        edge, anchor = (width - 2, "end") if last else (x - 4, "start")
        rules.append(el("text", shortened(title, 20), x=f"{edge:.1f}", y=14, text_anchor=anchor, class_="axis-title"))
        rules.append(el("path", d=f"M{x:.1f} {top}V{bottom}", class_="axis"))
        labels += [el("text", t, x=f"{x + 6:.1f}", y=up(place) + 3.5, class_="halo") for place, t in axis.marks]
    lines = []
    for trial in sorted(judged, key=lambda t: (t is board.best_trial, _goodness(board, t))):
        places = [a.at(v.values[trial.number]) for a, v in zip(axes, varied, strict=False)]
        places.append(axes[-1].at(trial.objective))
        lines.append(_line(board, trial, [(round(x, 1), up(p)) for x, p in zip(across, places, strict=True)]))
    return _svg(width, height, said, *rules, *lines, *labels, class_=class_, width=f"{width:g}")


def front(board: Standings, first: int, second: int) -> Plot | None:
    """Two objectives against each other, the Pareto front joined by a line."""
    names = [board.sweep.objectives[i] for i in (first, second)]
    both = [(t, t.objectives[first], t.objectives[second]) for t in board.sweep.trials]
    points = [(t, x, y) for t, x, y in both if x is not None and y is not None and (t.counts or t.status == PRUNED)]
    if not points:
        return None
    across = number_axis(title_of(names[0]), [x for _, x, _ in points], kind_of(names[0]))
    up = number_axis(title_of(names[1]), [y for _, _, y in points], kind_of(names[1]))
    on = sorted((x, y) for t, x, y in points if t.number in board.front)
    flat = len(board.sweep.objectives) == 2 and len(on) > 1

    def marks(frame: _Frame) -> list[Markup | None]:
        line = el("path", d=_path([frame.at(x, y) for x, y in on]), class_="so-far") if flat else None
        return [line, *(_dot(board, t, *frame.at(x, y), front=t.number in board.front) for t, x, y in points)]

    title = f"{capital(title_of(names[0]))} and {title_of(names[1])}"
    ways = [
        f"{title_of(n)} {'least' if board.sweep.directions[i] == 'minimize' else 'most'}"
        for n, i in zip(names, (first, second), strict=True)
    ]
    note = f"Bold: the Pareto front, jobs that no other beats in every objective ({', '.join(ways)} is best)."
    return Plot(f"pareto-{second}", title, _drawn(across, up, title, marks), note)


@dataclass(frozen=True)
class _Frame:
    """A plot's two axes and the place of its points."""

    x: Axis
    y: Axis
    width: int
    height: int

    @property
    def left(self) -> float:
        return max(len(label) for _, label in self.y.marks) * CHARACTER + 10

    def at(self, x: float | None, y: float | None) -> tuple[float, float]:
        right, bottom, top = self.width - 14, self.height - 24, 12
        return (
            round(self.left + self.x.at(x or 0.0) * (right - self.left), 1),
            round(bottom - self.y.at(y or 0.0) * (bottom - top), 1),
        )

    def svg(self, said: str, marks: Sequence[Markup | None], class_: str) -> Markup:
        right, bottom, top = self.width - 14, self.height - 24, 12
        parts = []
        for place, label in self.y.marks:
            y = round(bottom - place * (bottom - top), 1)
            parts.append(el("path", d=f"M{self.left:.1f} {y}H{right}", class_="grid"))
            parts.append(el("text", label, x=f"{self.left - 6:.1f}", y=y + 3.5, text_anchor="end"))
        name = shortened(self.x.title, 30)
        parts.append(el("text", name, x=0, y=self.height - 4))
        for place, label in self.x.marks:
            x = self.left + place * (right - self.left)
            if x - len(label) * CHARACTER / 2 > len(name) * CHARACTER and x <= right + 1:
                over = x + len(label) * CHARACTER / 2 > self.width
                at, anchor = (self.width, "end") if over else (x, "middle")
                parts.append(el("text", label, x=f"{at:.1f}", y=self.height - 4, text_anchor=anchor))
        return _svg(self.width, self.height, said, *parts, *marks, class_=class_)


def _drawn(x: Axis, y: Axis, said: str, marks: Callable[[_Frame], list[Markup | None]]) -> Markup:
    """A plot in both sizes; the style sheet shows the one that suits the screen."""
    frames = {name: _Frame(x, y, *size) for name, size in SIZES.items()}
    return join(*(frame.svg(said, marks(frame), name) for name, frame in frames.items()))


def _svg(wide: float, high: float, said: str, *parts: Markup | None, **attributes: object) -> Markup:
    view = f"0 0 {wide:g} {high:g}"
    return el("svg", *parts, viewBox=view, role="img", aria_label=f"{said}.", data_jobs=True, **attributes)


def _with_value(board: Standings) -> list[Trial]:
    """Judged jobs, and pruned ones by the value they had come to."""
    return [t for t in board.sweep.trials if t.counts or (t.status == PRUNED and t.objective is not None)]


def _any_pruned(trials: Sequence[Trial]) -> bool:
    return any(t.status == PRUNED for t in trials)


def _goodness(board: Standings, trial: Trial) -> float:
    """A job's objective between the worst (0) and the best (1)."""
    values = [t.objective for t in _with_value(board) if t.objective is not None]
    if trial.objective is None or not values or max(values) == min(values):
        return 1.0 if trial.objective is not None else 0.0
    share = (trial.objective - min(values)) / (max(values) - min(values))
    return 1 - share if board.sweep.minimize else share


def _class(board: Standings, trial: Trial) -> str:
    level = min(LEVELS - 1, int(_goodness(board, trial) * LEVELS))
    marks = [f"v{level}", BEST if trial is board.best_trial else "", BEYOND if trial.status == PRUNED else ""]
    return " ".join(filter(None, marks))


def told(board: Standings, trial: Trial) -> str:
    """A job in one line, for whoever points at it."""
    group = next(g for g in board.groups if trial in g.trials)
    values = [
        f"{title_of(name)} {show(value, kind_of(name))}"
        for name, value in zip(board.sweep.objectives, trial.objectives, strict=True)
        if value is not None
    ]
    return f"job {trial.number}: {group.name}, seed {short_seed(trial)}: {', '.join(values) or trial.status}"


def _dot(board: Standings, trial: Trial, x: float, y: float, front: bool = False) -> Markup:
    best = trial is board.best_trial
    kind = f"dot job {_class(board, trial)}" + (" front" if front else "")
    mark = el("circle", cx=x, cy=y, r=5 if best or front else 3.5)
    return el("g", el("title", told(board, trial)), mark, class_=kind, data_job=trial.number)


def _line(board: Standings, trial: Trial, points: Sequence[tuple[float, float]]) -> Markup:
    mark = el("path", d=_path(points)) if len(points) > 1 else el("circle", cx=points[0][0], cy=points[0][1], r=3)
    kind = f"{'line' if len(points) > 1 else 'dot'} job {_class(board, trial)}"
    return el("g", el("title", told(board, trial)), mark, class_=kind, data_job=trial.number)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _steps(points: Sequence[tuple[float, float]]) -> str:
    """A staircase through points."""
    first, *rest = points
    return f"M{first[0]} {first[1]}" + "".join(f"H{x}V{y}" for x, y in rest)


def standalone(plot: Plot) -> str:
    """A plot as an SVG file: colours inside, on white."""
    drawing = plot.drawing.partition("</svg>")[0] + "</svg>"  # the wide one, where there are two
    start, rest = drawing.split(">", 1)
    width, height = (float(v) for v in start.split('viewBox="0 0 ')[1].split('"')[0].split())
    style = (
        "text{font-family:Helvetica,Arial,sans-serif;font-size:11px;fill:#475569}.title{font-size:15px;font-weight:bold}"
        ".grid,.axis{stroke:#e2e8f0;fill:none}.axis{stroke:#94a3b8}.line path{fill:none;stroke-width:1.2}"
        ".so-far{fill:none;stroke:#94a3b8;stroke-dasharray:4 3}.line.best path{stroke-width:2.6}.halo{fill:#0f172a}"
    )
    for level in range(LEVELS):
        share = level / (LEVELS - 1)
        red, green, blue = (round(a + (b - a) * share) for a, b in ((203, 11), (213, 107), (225, 203)))
        colour = f"rgb({red},{green},{blue})"
        style += f".dot.v{level} circle{{fill:{colour}}}.line.v{level} path{{stroke:{colour}}}"
    style += ".dot.pruned circle{fill:#fff;stroke:#94a3b8}.line.pruned path{stroke-dasharray:2 3}"
    style += ".best circle{fill:#c2410c!important}.best path{stroke:#c2410c!important}"
    head = join(el("style", Markup(style)), el("rect", width="100%", height="100%", fill="#ffffff"))
    title = el("text", plot.title, x=10, y=22, class_="title")
    attributes = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + 34:g}" width="{width:g}"'
    body = rest.rpartition("</svg>")[0]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg {attributes} height="{height + 34:g}">{head}{title}<g transform="translate(0 34)">{body}</g></svg>\n'
    )
