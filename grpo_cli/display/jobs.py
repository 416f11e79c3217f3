"""The jobs of a multirun as a table shows them, and the table at its end: every job, and what became of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import BOLD, DIM, GOOD, STATUS_STYLES, RunConsole, make_console
from grpo_cli.display.table import Column, build, settings
from grpo_cli.runs.metrics import number
from grpo_cli.runs.objectives import MINIMIZE, Objective, short_names
from grpo_cli.runs.pareto import pareto_front

NOT_STARTED = "not started"
UNKNOWN = (Objective("objective"),)  # what a sweep is judged by before any job has said so
ONE_LINE = 10_000  # columns of a file
NAMED = 12  # jobs of the Pareto front that the closing line names


def values_of(row: Mapping[str, Any], count: int = 1) -> list[float | None]:
    """The values of a job's objectives: of a record's `objectives`, or its `objective`, a number or result.json's dict.

    Args:
        row: the job.
        count: how many objectives there are.
    """
    several = row.get("objectives")
    if count > 1 and isinstance(several, Sequence) and len(several) == count:
        return [number({"value": value}, "value") for value in several]
    objective = row.get("objective")
    first = number(objective, "value") if isinstance(objective, Mapping) else number(row, "objective")
    return [first, *[None] * (count - 1)]


def shown_status(row: Mapping[str, Any]) -> str:
    """The job's status in words."""
    status = str(row.get("status") or NOT_STARTED)
    return f"{status} earlier" if row.get("earlier") else status


def shown_value(value: float | None) -> str:
    """The value of an objective; a dash where it was not measured."""
    return "-" if value is None else f"{value:.4f}"


def best_job(rows: Sequence[Mapping[str, Any]], direction: str = "maximize") -> int | None:
    """Index of the completed job with the best finite objective, the first of equals; None without any."""
    scores = {
        i: value if direction != MINIMIZE else -value
        for i, row in enumerate(rows)
        if row.get("status") == "completed" and (value := values_of(row)[0]) is not None and math.isfinite(value)
    }
    return max(scores, key=lambda i: scores[i], default=None)


def marked_jobs(rows: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> list[int]:
    """Indices of the completed jobs to look at first: the best one, or of several objectives the Pareto front."""
    if len(objectives) == 1:
        best = best_job(rows, objectives[0].direction)
        return [] if best is None else [best]
    count = len(objectives)
    values = [values_of(row, count) if row.get("status") == "completed" else [None] * count for row in rows]
    return pareto_front(values, [o.direction for o in objectives])


def tally(rows: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> str:
    """How many jobs ended how, and which to look at: `9 of 12 jobs completed, 2 pruned, 1 failed; best: job 4`."""
    counts = Counter(str(row.get("status") or NOT_STARTED) for row in rows)
    done = counts.pop("completed", 0)
    last = ("running", NOT_STARTED)
    others = sorted(counts, key=lambda status: (status in last, -counts[status], status))
    text = ", ".join([f"{done} of {len(rows)} jobs completed", *(f"{counts[status]} {status}" for status in others)])
    best = worth_a_look(rows, objectives)
    return f"{text}; {best}" if best else text


def worth_a_look(rows: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> str:
    """The best job, or those on the Pareto front, in words; "" where no job has completed."""
    numbers = [str(rows[i].get("number", i)) for i in marked_jobs(rows, objectives)]
    if not numbers:
        return ""
    named = ", ".join(numbers[:NAMED]) + (f", … ({len(numbers)})" if len(numbers) > NAMED else "")
    return (
        f"best: job {named}" if len(objectives) == 1 else f"on the Pareto front: job{'s' * (len(numbers) > 1)} {named}"
    )


def titles(objectives: Sequence[Objective], console: RunConsole) -> list[str]:
    """The titles of the objectives' columns: short on a terminal, with their direction where there are several."""
    names = short_names(objectives) if console.is_terminal else [o.name for o in objectives]
    if len(objectives) == 1:
        return names
    signs = [console.glyphs.down if o.direction == MINIMIZE else console.glyphs.up for o in objectives]
    return [f"{name} {sign}" for name, sign in zip(names, signs, strict=True)]


def table_console(stream: IO[str] | None = None) -> RunConsole:
    """A console for a table of jobs: in a file or pipe there is no width to keep to, and every job gets one line."""
    console = make_console(stream)
    return console if console.is_terminal else make_console(stream, width=ONE_LINE)


def print_jobs_table(
    rows: Sequence[Mapping[str, Any]],
    objectives: Sequence[Objective] = UNKNOWN,
    *,
    stream: IO[str] | None = None,
) -> None:
    """Print one line per job of a multirun; the best one is marked, or those on the Pareto front.

    Args:
        rows: per job `number`, `overrides` (text or list), `status` (none: never started), `objective`
            (number or result.json's object), `objectives` where there are several, `seconds`, `folder`.
        objectives: what they are judged by.
        stream: where to write; standard output by default.
    """
    console = table_console(stream)
    marked = marked_jobs(rows, objectives)
    common = common_folder(rows) if console.is_terminal else None
    columns = [
        *job_columns(rows, marked, console),
        Column("status", [shown_status(row) for row in rows], left=True),
        *objective_columns([values_of(row, len(objectives)) for row in rows], objectives, console),
        Column("time", [fmt.duration(number(row, "seconds")) for row in rows]),
    ]
    if common is None:
        folders = [fmt.one_line(row.get("folder") or "-") for row in rows]
        columns.append(Column("folder", folders, left=True, gives=True))
    columns[2:2] = settings(rows, console, columns)
    styles = [
        f"{BOLD} {GOOD}" if i in marked else STATUS_STYLES.get(str(row.get("status")), DIM)
        for i, row in enumerate(rows)
    ]
    console.print(build(columns, styles, console, fold=True))
    console.print(tally(rows, objectives), style=BOLD)
    if common:
        console.print(Text(f"The folder of job N: {common}/N", style=DIM))


def job_columns(rows: Sequence[Mapping[str, Any]], marked: Collection[int], console: RunConsole) -> list[Column]:
    """The mark and the number of each job.

    Args:
        rows: the jobs.
        marked: the indices of those to mark.
        console: where they are shown.
    """
    marks = [console.glyphs.star if i in marked else "" for i in range(len(rows))]
    return [Column("", marks, left=True), Column("job", [str(row.get("number", i)) for i, row in enumerate(rows)])]


def objective_columns(
    values: Sequence[Sequence[float | None]], objectives: Sequence[Objective], console: RunConsole
) -> list[Column]:
    """A column for each objective; values by job, then by objective."""
    return [
        Column(title, [shown_value(each[i]) for each in values]) for i, title in enumerate(titles(objectives, console))
    ]


def common_folder(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The folder in which each job's own is named by its number; None where that is not so."""
    folders = [(Path(str(row["folder"])), str(row.get("number"))) for row in rows if row.get("folder")]
    parents = {str(folder.parent) for folder, _ in folders}
    return parents.pop() if len(parents) == 1 and all(folder.name == number for folder, number in folders) else None
