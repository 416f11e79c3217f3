"""The report in a terminal: the same verdict, numbers, curves, findings and settings as the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from grpo_cli.display.charts import buckets, chart
from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, GOOD, WARN, RunConsole, make_console
from grpo_cli.display.formatting import clean, one_line
from grpo_cli.report.charts import Chart, value_range
from grpo_cli.report.comparison import HEAD, labels, run_row
from grpo_cli.report.curves import compared, sections
from grpo_cli.report.formats import PERCENT, duration, show
from grpo_cli.report.phases import phases
from grpo_cli.report.read import Run
from grpo_cli.report.sections import made_of
from grpo_cli.report.settings import compare_to_defaults, differing
from grpo_cli.report.summary import summarise

STYLES = {"good": GOOD, "bad": BAD, "warning": WARN, "neutral": BOLD}
COLUMNS = 40
FIRST_TO_GO = ("held-out metric", "time", "training reward", "steps")
"""Columns of the comparison that a narrow terminal does without, in this order."""


def print_run(run: Run, stream: IO[str] | None = None) -> None:
    """Print the report on one run.

    Args:
        run: what its folder holds.
        stream: where to write; standard output by default.
    """
    console = make_console(stream)
    summary = summarise(run)
    _write(console, (f"{run.config.get('name') or 'run'} / {run.name}", BOLD), (f"   {run.status}", DIM))
    _write(console, (" · ".join(made_of(run)), DIM))
    console.print()
    _write(console, (summary.headline, f"bold {STYLES[summary.level]}"))
    for sentence in summary.sentences:
        _write(console, sentence)
    console.print()
    table = _table()
    for fact in summary.facts:
        table.add_row(Text(fact.label, DIM), Text(fact.value, BOLD), Text(fact.note, DIM))
    console.print(table)
    for section in sections(run):
        _curves(console, section.title, section.charts)
    _phases(console, run)
    _findings(console, run)
    _settings(console, run)


def print_comparison(runs: Sequence[Run], stream: IO[str] | None = None) -> None:
    """Print the comparison of several runs.

    Args:
        runs: at least two.
        stream: where to write; standard output by default.
    """
    console = make_console(stream)
    names = labels([run.folder.root for run in runs])
    _heading(console, "Runs")
    became = [[one_line(name), *map(one_line, run_row(r, summarise(r)))] for name, r in zip(names, runs, strict=True)]
    head, became, left_out = _fitting(console, HEAD, became)
    table = _table(*head)
    for row in became:
        table.add_row(*row)
    _print(console, table)
    if left_out:
        _write(console, (f"(no room here for: {', '.join(left_out)})", DIM))
    _heading(console, "What differs in their settings")
    rows = differing([run.config for run in runs])
    if rows:
        table = _table("setting", *names)
        for key, values in rows:
            table.add_row(one_line(key), *map(one_line, values))
        _print(console, table)
    else:
        _write(console, ("nothing", DIM))
    for section in compared(list(zip(names, runs, strict=True))):
        _curves(console, section.title, section.charts)


def _fitting(
    console: RunConsole, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]], list[str]]:
    """The columns of a table that a terminal has room for, and the names of those it has not."""
    keep, left_out = list(range(len(head))), []

    def width() -> int:
        return sum(max(cell_len(row[i]) for row in (head, *rows)) + 1 for i in keep) - 1

    for name in FIRST_TO_GO:
        if console.is_terminal and width() > console.width:
            keep.remove(head.index(name))
            left_out.append(name)
    return [head[i] for i in keep], [[row[i] for i in keep] for row in rows], left_out


def _curves(console: RunConsole, title: str, charts: Sequence[Chart]) -> None:
    """One line for each curve: its name, its line, first and last value."""
    _heading(console, title)
    table = _table()
    for drawn in charts:
        low, high = value_range(drawn)
        for curve in drawn.curves:
            values = [point[1] for point in curve.points]
            name = drawn.title if len(drawn.curves) == 1 else f"{drawn.title}, {curve.name}"
            (line,) = chart(buckets(values, COLUMNS), 1, low, high, console.glyphs.levels)
            ends = f"{show(values[0], drawn.kind)} {console.glyphs.arrow} {show(values[-1], drawn.kind)} {drawn.unit}"
            table.add_row(one_line(name), Text(line, ACCENT), Text(ends.rstrip()))
    console.print(table)


def _phases(console: RunConsole, run: Run) -> None:
    parts = phases(run)
    total = sum(seconds for _, seconds in parts)
    if not total:
        return
    _heading(console, "Time per phase")
    table = _table()
    for name, seconds in parts:
        table.add_row(one_line(name), duration(seconds), Text(show(seconds / total, PERCENT), DIM))
    console.print(table)


def _findings(console: RunConsole, run: Run) -> None:
    _heading(console, "What the doctor found")
    if not run.findings:
        _write(console, ("no finding recorded", DIM))
    for finding in run.findings:
        style = {"error": BAD, "info": BOLD}.get(str(finding.get("severity")), WARN)
        step = one_line(finding.get("step"))
        _write(console, (f"{one_line(finding.get('symptom'))}", style), (f"  step {step}", DIM))
        for key in ("evidence", "cause"):
            if finding.get(key):
                _write(console, f"  {clean(str(finding[key]))}")
        tries = finding.get("try") or []
        for override in tries if isinstance(tries, list) else [tries]:
            _write(console, "  try ", (one_line(override), ACCENT))


def _settings(console: RunConsole, run: Run) -> None:
    _heading(console, "What differs from the defaults")
    changed = [s for s in compare_to_defaults(run.config) if s.differs] if run.config else []
    if not changed:
        _write(console, ("nothing" if run.config else "no configuration recorded", DIM))
        return
    table = _table("setting", "this run", "default")
    for setting in changed:
        table.add_row(*map(one_line, (setting.key, setting.value, setting.default)))
    _print(console, table)


def _heading(console: RunConsole, text: str) -> None:
    console.print()
    _write(console, (text, BOLD))


def _table(*head: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=bool(head), header_style=DIM)
    for name in head or ("", "", ""):
        table.add_column(one_line(name), overflow="fold")
    return table


def _print(console: RunConsole, table: Table) -> None:
    # In a file or pipe there is no width to keep to: every row gets one line.
    if not console.is_terminal:
        console.width = 10_000
    console.print(table, crop=False)


def _write(console: RunConsole, *parts: str | tuple[str, str]) -> None:
    console.print(Text.assemble(*[(clean(p[0]), p[1]) if isinstance(p, tuple) else clean(p) for p in parts]))
