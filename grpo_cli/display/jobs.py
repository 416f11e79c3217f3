"""The table at the end of a multirun: every job that was asked for, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich.table import Table

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import BOLD, DIM, GOOD, STATUS_STYLES, make_console
from grpo_cli.runs.metrics import number

NOT_STARTED = "not started"


def objective_of(row: Mapping[str, Any]) -> float | None:
    """The job's objective: a number, or result.json's `{"name", "value", "direction"}`."""
    objective = row.get("objective")
    return number(objective, "value") if isinstance(objective, Mapping) else number(row, "objective")


def shown_status(row: Mapping[str, Any]) -> str:
    """The job's status in words."""
    status = str(row.get("status") or NOT_STARTED)
    return f"{status} earlier" if row.get("earlier") else status


def best_job(rows: Sequence[Mapping[str, Any]], direction: str = "maximize") -> int | None:
    """Index of the completed job with the best finite objective, the first of equals; None without any."""
    scores = {
        i: value if direction == "maximize" else -value
        for i, row in enumerate(rows)
        if row.get("status") == "completed" and (value := objective_of(row)) is not None and math.isfinite(value)
    }
    return max(scores, key=lambda i: scores[i], default=None)


def print_jobs_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    objective: str | None = None,
    direction: str = "maximize",
    stream: IO[str] | None = None,
) -> None:
    """Print one line per job of a multirun; the best one is marked.

    Args:
        rows: per job `number`, `overrides` (text or list), `status` (none: never started), `objective`
            (number or result.json's object), `seconds`, `folder`.
        objective: the metric's name, as the column's title.
        direction: `maximize` or `minimize`.
        stream: where to write; standard output by default.
    """
    console = make_console(stream)
    best = best_job(rows, direction)
    table = Table(box=None, pad_edge=False, header_style=DIM)
    table.add_column("")
    table.add_column("job", justify="right", no_wrap=True)
    table.add_column("overrides", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column(objective or "objective", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("folder", overflow="fold")
    for i, row in enumerate(rows):
        overrides = row.get("overrides") or ""
        value = objective_of(row)
        table.add_row(
            console.glyphs.star if i == best else "",
            str(row.get("number", i)),
            fmt.one_line(overrides if isinstance(overrides, str) else " ".join(map(str, overrides))),
            shown_status(row),
            "-" if value is None else f"{value:.4f}",
            fmt.duration(number(row, "seconds")),
            fmt.one_line(row.get("folder") or "-"),
            style=f"{BOLD} {GOOD}" if i == best else STATUS_STYLES.get(str(row.get("status")), DIM),
        )
    # In a file or pipe there is no width to keep to: every job gets one line.
    console.print(table, width=None if console.is_terminal else 10_000, crop=False)
    done = sum(row.get("status") == "completed" for row in rows)
    ending = f"; best: job {rows[best].get('number', best)}" if best is not None else ""
    console.print(f"{done} of {len(rows)} jobs completed{ending}", style=BOLD)
