"""The jobs of a multirun as a table shows them, and the table at its end: every job, and what became of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rich.table import Table
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import BOLD, DIM, GOOD, STATUS_STYLES, RunConsole, make_console
from grpo_cli.runs.metrics import number
from grpo_cli.runs.objectives import MINIMIZE, Objective, short_names
from grpo_cli.runs.pareto import pareto_front

NOT_STARTED = "not started"
UNKNOWN = (Objective("objective"),)  # what a sweep is judged by before any job has said so
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
    numbers = [str(rows[i].get("number", i)) for i in marked_jobs(rows, objectives)]
    if not numbers:
        return text
    named = ", ".join(numbers[:NAMED]) + (f", … ({len(numbers)})" if len(numbers) > NAMED else "")
    if len(objectives) == 1:
        return f"{text}; best: job {named}"
    return f"{text}; on the Pareto front: job{'s' * (len(numbers) > 1)} {named}"


def titles(objectives: Sequence[Objective], console: RunConsole) -> list[str]:
    """The titles of the objectives' columns: short on a terminal, with their direction where there are several."""
    names = short_names(objectives) if console.is_terminal else [o.name for o in objectives]
    if len(objectives) == 1:
        return names
    signs = [console.glyphs.down if o.direction == MINIMIZE else console.glyphs.up for o in objectives]
    return [f"{name} {sign}" for name, sign in zip(names, signs, strict=True)]


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
    console = make_console(stream)
    marked = marked_jobs(rows, objectives)
    table = Table(box=None, pad_edge=False, header_style=DIM)
    table.add_column("")
    table.add_column("job", justify="right", no_wrap=True)
    table.add_column("overrides", overflow="fold")
    table.add_column("status", no_wrap=True)
    for title in titles(objectives, console):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    common = common_folder(rows) if console.is_terminal else None
    if common is None:
        table.add_column("folder", overflow="fold")
    for i, row in enumerate(rows):
        overrides = row.get("overrides") or ""
        table.add_row(
            console.glyphs.star if i in marked else "",
            str(row.get("number", i)),
            fmt.one_line(overrides if isinstance(overrides, str) else " ".join(map(str, overrides))),
            shown_status(row),
            *map(shown_value, values_of(row, len(objectives))),
            fmt.duration(number(row, "seconds")),
            *([] if common else [fmt.one_line(row.get("folder") or "-")]),
            style=f"{BOLD} {GOOD}" if i in marked else STATUS_STYLES.get(str(row.get("status")), DIM),
        )
    # In a file or pipe there is no width to keep to: every job gets one line.
    console.print(table, width=None if console.is_terminal else 10_000, crop=False)
    console.print(tally(rows, objectives), style=BOLD)
    if common:
        console.print(Text(f"Job N is in {common}/N", style=DIM))


def common_folder(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The folder in which each job's own is named by its number; None where that is not so."""
    folders = [(Path(str(row["folder"])), str(row.get("number"))) for row in rows if row.get("folder")]
    parents = {str(folder.parent) for folder, _ in folders}
    return parents.pop() if len(parents) == 1 and all(folder.name == number for folder, number in folders) else None
