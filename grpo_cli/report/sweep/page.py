"""The leaderboard as a page: one HTML file that needs no network, with the look and the care of a run's report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from grpo_cli.report.formats import PERCENT, capital, duration, show
from grpo_cli.report.markup import Markup, breakable, el, join
from grpo_cli.report.page import document, navigation, section
from grpo_cli.report.sections import STATUS, made_of
from grpo_cli.report.summary import NEUTRAL, WARNING
from grpo_cli.report.sweep.board import Column, Row, board_rows
from grpo_cli.report.sweep.groups import short_seed
from grpo_cli.report.sweep.plots import Plot, plots, told
from grpo_cli.report.sweep.read import Trial
from grpo_cli.report.sweep.standings import Standings, completions_of, kind_of, method, title_of, verdict
from grpo_cli.runs.result import COMPLETED, PRUNED, RUNNING

SCRIPTS, STYLES = ("charts.js", "sweep.js"), ("page.css", "sweep.css")
RANGE_WIDTH = 136
FULL = ("parallel-coordinates",)


def sweep_page(board: Standings, place: Path, *, live: bool = False, version: str = "") -> str:
    """The leaderboard's page.

    Args:
        board: the leaderboard.
        place: the folder that the page will lie in; links to the runs' reports are from there.
        live: the page is served: it looks for news, and links nowhere.
        version: what it was made of, so that a live one knows when there is news.

    Returns:
        HTML.
    """
    drawn = plots(board)
    here = [("board", "Leaderboard"), ("plots", "Plots"), ("importance", "What mattered"), ("jobs", "Jobs")]
    here = [h for h in (*here, ("method", "How it was compared")) if h[0] != "plots" or drawn]
    note = el("span", "live", id="live", class_="soft small", role="status") if live else None
    links = None if live else place
    body = join(
        el("header", el("div", _which(board), note, id="which", data_live=live), navigation(here)),
        el("section", _verdict(board), id="verdict", data_live=live, aria_label="Verdict"),
        section("board", "Leaderboard", _board(board, links), live),
        section("plots", "Plots", el("div", *map(_figure, drawn), class_="plots"), live) if drawn else None,
        section("importance", "What mattered", _importance(board), live),
        section("jobs", "Jobs", _jobs(board, links), live),
        section("method", "How it was compared", el("ul", *(el("li", m) for m in method(board)), class_="method")),
    )
    title = f"Sweep {board.sweep.name}"
    return document(title, body, None, live=live, version=version, scripts=SCRIPTS, styles=STYLES)


def _which(board: Standings) -> Markup:
    """What was swept, in one line."""
    sweep = board.sweep
    status = "under way" if sweep.alive else "ended"
    left = sum(t.status not in (COMPLETED, PRUNED, "invalid") for t in sweep.trials)
    level = NEUTRAL if sweep.alive else WARNING if left else "good"
    status = status if sweep.alive or left else "completed"
    common = [made_of(t.run) for t in sweep.trials if t.run.config]
    shared = [part for part in (common[0] if common else []) if all(part in other for other in common)]
    ways = [
        f"{title_of(n)}, {'less' if d == 'minimize' else 'more'} is better"
        for n, d in zip(sweep.objectives, sweep.directions, strict=True)
    ]
    return join(
        el(
            "div",
            el("h1", f"Sweep {sweep.name}"),
            el("span", status, class_=f"pill {level}"),
            class_="which",
        ),
        el("p", " · ".join([*shared, *ways]), class_="soft"),
    )


def _verdict(board: Standings) -> Markup:
    headline, sentences, level = verdict(board)
    said = el("div", el("h2", headline), el("p", " ".join(sentences)) if sentences else None, class_=f"verdict {level}")
    sweep, best = board.sweep, board.best_trial
    done = sum(t.status == COMPLETED for t in sweep.trials)
    facts: list[tuple[str, str, str]] = []
    if best is not None:
        facts.append(("best setting", show(board.judged[0].mean, board.kind), f"mean {board.title}"))
        facts.append(("best single job", show(best.objective, board.kind), f"job {best.number}"))
    facts.append(("jobs completed", f"{done} of {len(sweep.trials)}", f"{len(board.groups)} settings"))
    seconds = [t.seconds for t in sweep.trials if t.seconds is not None]
    if seconds:
        facts.append(("time of all jobs", duration(sum(seconds)), f"{duration(sum(seconds) / len(seconds))} a job"))
    if count := completions_of(sweep.trials):
        facts.append(("completions generated", show(count, "count"), "in training"))
    items = [el("div", el("dt", label), el("dd", value, el("small", note))) for label, value, note in facts]
    return join(said, el("dl", *items, class_="facts"))


def _board(board: Standings, place: Path | None) -> Markup:
    columns, rows = board_rows(board)
    if not rows:
        return el("p", "No job is recorded.", class_="soft")
    shown = [(i, c) for i, c in enumerate(columns) if c.key != "rank"]
    head = el("tr", *(el("th", c.title, scope="col", class_="number" if c.number else None) for _, c in shown))
    body = []
    for rank, row in enumerate(rows):
        kind = "first" if rank == 0 and board.judged else None
        cells = [_cell(column, row, i, place) for i, column in shown]
        body.append(el("tr", *cells, class_=kind, data_job=row.best.number if row.best else None))
    whole = el("table", el("caption", "Settings", class_="hidden"), el("thead", head), el("tbody", *body))
    return el("div", whole, class_="card wide-table short board", tabindex="0", role="region", aria_label="Leaderboard")


def _cell(column: Column, row: Row, index: int, place: Path | None) -> Markup:
    cell = row.cells[index]
    small = el("small", cell.note) if cell.note else None
    if column.key == "setting":
        name = _lines(row.group.overrides) if row.group.overrides else cell.text
        return el("th", el("span", row.cells[0].text, class_="rank"), el("span", name), scope="row", class_="setting")
    if column.key == "best" and row.best is not None:
        return el("td", _link(row.best, place, cell.text), small)
    drawn = _range(row.range_) if column.key == "mean" else None
    return el("td", cell.text, small, drawn, class_="number" if column.number else None)


def _lines(overrides: Sequence[str]) -> Markup:
    """A setting's overrides, one a line."""
    lines = [join(breakable(key), equals, value) for key, equals, value in (o.partition("=") for o in overrides)]
    return join(lines[0], *(part for line in lines[1:] for part in (el("br"), line)))


def _range(places: tuple[float, float, float] | None) -> Markup | None:
    """A mean with its interval on the scale that all settings share: places between 0 and 1."""
    if places is None:
        return None
    low, mean, high = (round(4 + p * (RANGE_WIDTH - 8), 1) for p in places)
    return el(
        "svg",
        el("path", d=f"M0 8H{RANGE_WIDTH}", class_="zero"),
        el("path", d=f"M{low} 8H{high}M{low} 4V12M{high} 4V12"),
        el("circle", cx=mean, cy=8, r=3.5),
        viewBox=f"0 0 {RANGE_WIDTH} 16",
        class_="range",
        aria_hidden="true",
    )


def _figure(plot: Plot) -> Markup:
    wide = plot.key in FULL
    return el(
        "figure",
        el("figcaption", el("h3", plot.title)),
        el("div", plot.drawing, class_="scrolls") if wide else plot.drawing,
        el("p", "Point at a job, or use the arrow keys.", class_="told-job", role="status"),
        el("p", plot.meaning, class_="meaning"),
        class_="chart plot full" if wide else "chart plot",
        id=f"plot-{plot.key}",
    )


def _importance(board: Standings) -> Markup:
    if not board.importances:
        return el("p", "It takes four judged jobs with different values to say what mattered.", class_="soft")
    items = []
    for one in board.importances:
        share = one.share or 0.0
        bars = [
            el("rect", width=100, height=8, rx=2, class_="back"),
            el("rect", width=f"{100 * share:.1f}", height=8, rx=2),
        ]
        drawing = el("svg", *bars, viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")
        name = el("span", breakable(one.key), " (chance)" if one.key == "seed" else None, class_="name mono")
        text = "unknown" if one.share is None else show(share, PERCENT)
        items.append(el("li", name, drawing, el("span", text, class_="value")))
    note = (
        "The share of the objective's variance over jobs that each key explains by itself, adjusted for how many "
        "values it has. What keys do only together is in none of them. “Unknown”: each value was tried once."
    )
    return el("div", el("ul", *items, class_="shares"), el("p", note, class_="meaning"), class_="card")


def _jobs(board: Standings, place: Path | None) -> Markup:
    head = ("job", "setting", "seed", "status", *map(title_of, board.sweep.objectives), "time", "why it ended")
    rows = []
    for trial in board.sweep.trials:
        group = next(g for g in board.groups if trial in g.trials)
        values = [_value(board, trial, i) for i in range(len(board.sweep.objectives))]
        level = STATUS.get(trial.status, NEUTRAL if trial.status in (RUNNING, "not started") else WARNING)
        why = (trial.error or str(trial.run.result.get("stopped") or "")).strip().split("\n")[0]
        front = " · Pareto front" if trial.number in board.front else ""
        cells = [
            el("td", _lines(group.overrides) if group.overrides else group.name, class_="setting"),
            el("td", short_seed(trial)),
            el("td", el("span", trial.status, class_=level), front or None),
            *(el("td", v, class_="number") for v in values),
            el("td", duration(trial.seconds), class_="number"),
            el("td", why, class_="setting" if why else None),
        ]
        name = _link(trial, place, str(trial.number))
        rows.append(el("tr", el("th", name, scope="row"), *cells, data_job=trial.number, title=told(board, trial)))
    top = el("thead", el("tr", *(el("th", capital(h), scope="col") for h in head)))
    whole = el("table", el("caption", "Jobs", class_="hidden"), top, el("tbody", *rows))
    kind = "card wide-table short board jobs"
    return el("div", whole, class_=kind, tabindex="0", role="region", aria_label="Jobs")


def _value(board: Standings, trial: Trial, index: int) -> str:
    """One objective of a job as text."""
    return show(trial.objectives[index], kind_of(board.sweep.objectives[index]))


def _link(trial: Trial, place: Path | None, text: str) -> object:
    """A job's name, leading to its own report where there is one."""
    report = trial.run.folder.report
    if place is None or not report.is_file():
        return text
    return el("a", text, href=quote(os.path.relpath(report.resolve(), place.resolve())))
