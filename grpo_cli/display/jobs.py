"""The table at the end of a multirun: every job that was asked for, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

from grpo_cli.display import text as fmt
from grpo_cli.display.layout import BAD, BOLD, DIM, GOOD, WARN, line
from grpo_cli.display.state import number
from grpo_cli.display.terminal import encodable, make_console, stream_glyphs

NOT_STARTED = "not started"
STYLES = {"completed": GOOD, "failed": BAD, "interrupted": WARN, NOT_STARTED: DIM}


def objective_of(row: Mapping[str, Any]) -> float | None:
    """The job's objective: a number, or result.json's `{"name", "value", "direction"}`."""
    objective = row.get("objective")
    return number(dict(objective), "value") if isinstance(objective, Mapping) else number(dict(row), "objective")


def best_job(rows: Sequence[Mapping[str, Any]], direction: str = "maximize") -> int | None:
    """Index of the completed job with the best finite objective; None when there is none."""
    scored = [
        (value, -i)
        for i, row in enumerate(rows)
        if row.get("status") == "completed" and (value := objective_of(row)) is not None and value - value == 0
    ]
    if not scored:
        return None
    if direction == "minimize":
        return -max((-value, i) for value, i in scored)[1]
    return -max(scored)[1]


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
    stream = sys.stdout if stream is None else stream
    glyphs = stream_glyphs(stream)
    best = best_job(rows, direction)
    titles = ("", "job", "overrides", "status", objective or "objective", "time", "folder")
    table: list[tuple[str, ...]] = []
    for i, row in enumerate(rows):
        overrides = row.get("overrides") or ""
        overrides = overrides if isinstance(overrides, str) else " ".join(map(str, overrides))
        value = objective_of(row)
        table.append(
            (
                ("*" if glyphs.tick == "ok" else "★") if i == best else " ",
                str(row.get("number", i)),
                fmt.clean(overrides, " "),
                str(row.get("status") or NOT_STARTED),
                "-" if value is None else f"{value:.4f}",
                fmt.duration(number(dict(row), "seconds")),
                fmt.clean(str(row.get("folder") or "-"), " "),
            )
        )
    widths = [max(len(line_[c]) for line_ in [titles, *table]) for c in range(len(titles))]
    write = _printer(stream)
    write(_cells(titles, widths), DIM)
    for i, cells in enumerate(table):
        style = BOLD + " " + GOOD if i == best else STYLES.get(cells[3], "")
        write(_cells(cells, widths), style)
    done = sum(cells[3] == "completed" for cells in table)
    rest = f"{done} of {len(table)} jobs completed"
    write(rest + (f"; best: job {table[best][1]}" if best is not None else ""), BOLD)


def _cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Columns by blanks, numbers to the right; the folder is last, so that a long one breaks nothing."""
    right = (1, 4, 5)
    parts = [f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(parts).rstrip()


def _printer(stream: IO[str]) -> Any:
    from grpo_cli.display.plain import write_line

    console = make_console(stream)

    def write(text: str, style: str) -> None:
        if console.is_terminal:
            console.print(line((encodable(text, stream), style)), soft_wrap=True, end="\n")
        else:
            write_line(stream, text)

    return write
