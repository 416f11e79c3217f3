"""All jobs of a multirun in one picture: a table redrawn in place on a terminal, a line per change elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import ACCENT, BOLD, DIM, STATUS_STYLES, RunConsole, can_redraw, make_console
from grpo_cli.display.follow import Follower
from grpo_cli.display.jobs import UNKNOWN, marked_jobs, shown_status, shown_value, titles, values_of
from grpo_cli.display.state import RunState
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.metrics import number
from grpo_cli.runs.objectives import Objective
from grpo_cli.runs.result import RUNNING
from grpo_cli.runs.sweep import INVALID, Job, Sweep

REDRAW_SECONDS = 0.5


class SweepDisplay:
    """Shows nothing (`display=quiet`), and is the frame for the others.

    Args:
        sweep: the record, kept up to date by its owner.
        slots: how many jobs run at once.
        stream: where to write; standard output by default.
    """

    def __init__(self, sweep: Sweep, slots: int, stream: IO[str] | None = None) -> None:
        self.sweep = sweep
        self.slots = slots
        self.console = make_console(stream)
        self.note_text = ""

    def __enter__(self) -> SweepDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""

    def tick(self) -> None:
        """Look for news; called about ten times a second."""

    def changed(self, job: Job) -> None:
        """A job was started or has ended."""

    def note(self, text: str) -> None:
        """Show one line from the program itself."""
        self.note_text = text


class PlainSweep(SweepDisplay):
    """A line when a job starts or ends."""

    def __enter__(self) -> PlainSweep:
        jobs = self.sweep.jobs
        counts = Counter(shown_status({"status": j.status, "earlier": j.earlier}) for j in jobs)
        before = "".join(f", {counts[w]} {w}" for w in ("completed earlier", "pruned earlier", INVALID) if counts[w])
        self.console.out(f"sweep: {len(jobs)} jobs on {self.slots} slots{before}  folder {self.sweep.directory}")
        return self

    def changed(self, job: Job) -> None:
        """Print what became of the job."""
        row = self.sweep.rows()[job.number]
        parts = [f"job {job.number}: {job.status}", " ".join(row["overrides"])]
        if job.status == RUNNING:
            parts.append(f"GPU {job.gpus}" if job.gpus else "")
        else:
            values = job.objectives or ([] if job.objective is None else [job.objective])
            parts += [f"{o.name} {value:.4f}" for o, value in zip(self.sweep.objectives, values, strict=False)]
            parts.append("" if job.seconds is None else fmt.duration(job.seconds))
            parts.append((job.error or "").split("\n")[0])
        self.console.out("  ".join(fmt.one_line(part) for part in parts if part))

    def note(self, text: str) -> None:
        """Print the note."""
        super().note(text)
        self.console.out(text)


class LiveSweep(SweepDisplay):
    """The table of all jobs, redrawn in place; it goes when the sweep ends, and the closing table takes its place."""

    def __init__(self, sweep: Sweep, slots: int, stream: IO[str] | None = None) -> None:
        super().__init__(sweep, slots, stream)
        self._live = Live(console=self.console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._followers: dict[int, Follower] = {}
        self._next = 0.0

    def __enter__(self) -> LiveSweep:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tick(self) -> None:
        """Redraw, twice a second."""
        if time.monotonic() >= self._next:
            self._redraw()

    def changed(self, job: Job) -> None:
        """Follow a job that was started; leave off following one that has ended."""
        if job.status == RUNNING and job.folder:
            self._followers[job.number] = Follower(RunFolder(Path(job.folder)))
        else:
            self._followers.pop(job.number, None)

    def note(self, text: str) -> None:
        """Show the note below the table."""
        super().note(text)
        self._redraw()

    def _redraw(self) -> None:
        self._next = time.monotonic() + REDRAW_SECONDS
        for follower in self._followers.values():
            follower.poll()
        states = {number: follower.state for number, follower in self._followers.items()}
        # Where not all jobs fit onto the screen, those that run and those to come are of more interest.
        rows = self.sweep.rows()
        room = max(4, self.console.height - 5)
        left = [row for row in rows if row["status"] in (RUNNING, "not started")]
        done = len(rows) - len(left)
        shown = rows if len(rows) <= room else left[:room]
        table = sweep_table(shown, states, self.sweep.objectives, self.console, marked_of(rows, self.sweep.objectives))
        count = Text(f"{done} of {len(rows)} jobs have ended, {self.slots} slots", style=BOLD)
        self._live.update(Group(table, count, Text(self.note_text, style=ACCENT)), refresh=True)


def make_sweep_display(mode: str, sweep: Sweep, slots: int, stream: IO[str] | None = None) -> SweepDisplay:
    """Make the display for jobs that run side by side.

    Args:
        mode: `live`, `plain`, `quiet`; `auto` is live on a terminal (and not under CI), else plain.
        sweep: the record, kept up to date by its owner.
        slots: how many jobs run at once.
        stream: where to write; standard output by default.
    """
    stream = sys.stdout if stream is None else stream
    if mode == "quiet":
        return SweepDisplay(sweep, slots, stream)
    wants_live = mode == "live" or (mode == "auto" and not os.environ.get("CI"))
    return (LiveSweep if wants_live and can_redraw(stream) else PlainSweep)(sweep, slots, stream)


def sweep_table(
    rows: Sequence[Mapping[str, Any]],
    states: Mapping[int, RunState],
    objectives: Sequence[Objective],
    console: RunConsole,
    marked: Set[int] | None = None,
) -> Table:
    """One line a job: what it differs by, its state, step, objectives, time left, GPU.

    Args:
        rows: as `Sweep.rows` gives them.
        states: of the jobs that run, by their number.
        objectives: what they are judged by.
        console: where it is drawn.
        marked: the numbers of the jobs to mark, where not all jobs are in `rows`; by default the best of these.
    """
    marked = marked_of(rows, objectives) if marked is None else marked
    table = Table(box=None, pad_edge=False, header_style=DIM)
    table.add_column("")
    table.add_column("job", justify="right", no_wrap=True)
    table.add_column("overrides", no_wrap=True, overflow="ellipsis")
    for title in ("state", "step", *titles(objectives, console), "time", "left", "GPU"):
        table.add_column(title, no_wrap=True, justify="left" if title == "state" else "right")
    now = time.time()
    for row in rows:
        state = states.get(row["number"])
        status, step, seconds, left = shown_status(row), "-", row.get("seconds"), None
        values = values_of(row, len(objectives))
        if state is not None:
            status = state.phase or "starting"
            step = f"{state.step}/{state.max_steps}" if state.max_steps else "-"
            values = [latest(state, o.name) for o in objectives]
            seconds, left = state.elapsed(now), state.eta(now)
        table.add_row(
            console.glyphs.star if row["number"] in marked else "",
            str(row["number"]),
            fmt.one_line(" ".join(row["overrides"])),
            fmt.one_line(status),
            step,
            *map(shown_value, values),
            fmt.duration(seconds),
            fmt.duration(left),
            row.get("gpus") or "-",
            style=ACCENT if state is not None else STATUS_STYLES.get(str(row.get("status")), DIM),
        )
    return table


def marked_of(rows: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> Set[int]:
    """The numbers of the best job so far, or of those on the Pareto front."""
    return {rows[i]["number"] for i in marked_jobs(rows, objectives)}


def latest(state: RunState, name: str) -> float | None:
    """What a run that goes on has last measured of an objective."""
    if name == UNKNOWN[0].name:
        return state.held_out[-1][1] if state.held_out else None
    records = [*reversed(state.evals), state.train]
    return next((value for record in records if (value := number(record, name)) is not None), None)
