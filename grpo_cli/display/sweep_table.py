"""The table of a multirun that goes on: one line a job, with what its run folder says of it just now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from typing import Any

from rich.table import Table

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import ACCENT, DIM, STATUS_STYLES, RunConsole
from grpo_cli.display.jobs import NOT_STARTED, UNKNOWN, job_columns, marked_jobs, objective_columns, shown_status
from grpo_cli.display.jobs import values_of as values_of_row
from grpo_cli.display.state import RunState
from grpo_cli.display.table import Column, build, settings, width_of
from grpo_cli.runs.metrics import number
from grpo_cli.runs.objectives import Objective
from grpo_cli.runs.result import RUNNING

SETTINGS = 8  # columns that are kept free for what jobs differ by


def sweep_table(
    rows: Sequence[Mapping[str, Any]],
    states: Mapping[int, RunState],
    objectives: Sequence[Objective],
    console: RunConsole,
    marked: Set[int] | None = None,
) -> Table:
    """One line a job: what it differs by, its state, step, objectives, time, time left, GPU where it has one.

    Args:
        rows: as `Sweep.rows` gives them.
        states: of the jobs that run, by their number.
        objectives: what they are judged by.
        console: where it is drawn.
        marked: the numbers of the jobs to mark, where not all jobs are in `rows`; by default the best of these.
    """
    now = time.time()
    marked = marked_numbers(rows, objectives) if marked is None else marked
    live = [states.get(row["number"]) for row in rows]
    pairs = list(zip(rows, live, strict=True))
    columns = [
        *job_columns(rows, [i for i, row in enumerate(rows) if row["number"] in marked], console),
        Column("state", [shown_state(row, s, console) for row, s in pairs], left=True),
        Column("step", [f"{s.step}/{s.max_steps}" if s and s.max_steps else "-" for s in live]),
        *objective_columns(
            [[latest(s, o.name) for o in objectives] if s else values_of_row(row, len(objectives)) for row, s in pairs],
            objectives,
            console,
        ),
        Column("time", [fmt.duration(s.elapsed(now) if s else row.get("seconds")) for row, s in pairs]),
        Column("left", [fmt.duration(s.eta(now) if s else None) for s in live]),
    ]
    if not console.is_terminal or any(row.get("gpus") for row in rows):
        columns.append(Column("GPU", [row.get("gpus") or "-" for row in rows]))
    for title in ("GPU", "left", "time"):  # rather none of them than all numbers cut
        if console.is_terminal and width_of(columns) > console.width - SETTINGS:
            columns = [column for column in columns if column.title != title]
    columns[2:2] = settings(rows, console, columns, cut=True)
    styles = [ACCENT if s else STATUS_STYLES.get(str(row.get("status")), DIM) for row, s in pairs]
    return build(columns, styles, console)


def shown_state(row: Mapping[str, Any], state: RunState | None, console: RunConsole) -> str:
    """What a job does just now, or how it ended; on a terminal without the word "earlier", for want of room."""
    if state is not None:
        return "stopping" if state.stopping else fmt.one_line(state.phase or "starting")
    return shown_status({**row, "earlier": row.get("earlier") and not console.is_terminal})


def marked_numbers(rows: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> Set[int]:
    """The numbers of the best job so far, or of those on the Pareto front."""
    return {rows[i]["number"] for i in marked_jobs(rows, objectives)}


def latest(state: RunState, name: str) -> float | None:
    """What a run that goes on has last measured of an objective."""
    if name == UNKNOWN[0].name:
        return state.held_out[-1][1] if state.held_out else None
    records = [*reversed(state.evals), state.train]
    return next((value for record in records if (value := number(record, name)) is not None), None)


def most_telling(
    rows: Sequence[dict[str, Any]], room: int, marked: Set[int], ended: Sequence[int]
) -> list[dict[str, Any]]:
    """The jobs to show where not all fit: those that run, the best, then the last ones ended and the next ones to come.

    Args:
        rows: all jobs.
        room: how many can be shown.
        marked: the numbers of the best ones.
        ended: the numbers of jobs in the order in which they ended.

    Returns:
        So many of them, in their order.
    """
    if len(rows) <= room:
        return list(rows)
    running = [row["number"] for row in rows if row["status"] == RUNNING]
    coming = [row["number"] for row in rows if row["status"] == NOT_STARTED]
    best = sorted(marked)[: room // 3]
    rank = {number: at for at, number in enumerate(ended)}
    others = [row["number"] for row in rows if row["status"] not in (RUNNING, NOT_STARTED)]
    last = sorted(others, key=lambda number: (rank.get(number, -1), number), reverse=True)
    chosen = list(dict.fromkeys([*running, *best]))[:room]
    last = [number for number in last if number not in chosen]
    half = max((room - len(chosen)) // 2, room - len(chosen) - len(coming))
    chosen += last[:half]
    chosen += coming[: room - len(chosen)]
    chosen += last[half:][: room - len(chosen)]
    return [row for row in rows if row["number"] in set(chosen)]
