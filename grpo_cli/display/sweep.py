"""All jobs of a multirun in one picture: a table redrawn in place on a terminal, a line per change elsewhere."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, can_redraw, line, make_console
from grpo_cli.display.follow import Follower
from grpo_cli.display.jobs import NOT_STARTED, shown_status, worth_a_look
from grpo_cli.display.sweep_table import marked_numbers, most_telling, sweep_table
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import FAILED, RUNNING
from grpo_cli.runs.sweep import INVALID, Job, Sweep

REDRAW_SECONDS = 1.0
FAILURES = 2  # how many are told of below the table


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
        slots = f"{self.slots} slot{'s' * (self.slots != 1)}"
        self.console.out(f"sweep: {self.sweep.total} jobs on {slots}{before}  folder {self.sweep.directory}")
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
        self._ended: list[int] = []  # the numbers of the jobs of this start, in the order in which they ended
        self._next = 0.0

    def __enter__(self) -> LiveSweep:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tick(self) -> None:
        """Redraw, once a second."""
        if time.monotonic() >= self._next:
            self._redraw()

    def changed(self, job: Job) -> None:
        """Follow a job that was started; leave off following one that has ended."""
        if job.status == RUNNING and job.folder:
            self._followers[job.number] = Follower(RunFolder(Path(job.folder)))
        else:
            self._followers.pop(job.number, None)
            self._ended.append(job.number)

    def note(self, text: str) -> None:
        """Show the note below the table."""
        super().note(text)
        self._redraw()

    def _redraw(self) -> None:
        self._next = time.monotonic() + REDRAW_SECONDS
        for follower in self._followers.values():
            follower.poll()
        states = {number: follower.state for number, follower in self._followers.items()}
        rows, objectives = self.sweep.rows(), self.sweep.objectives
        marked = marked_numbers(rows, objectives)
        below = self._below(rows)
        room = max(4, self.console.height - 1 - len(below))
        head = 1
        while True:  # how many lines the titles take is known when the table is made
            fits = room - head if len(rows) <= room - head else max(1, room - head - 1)
            shown = most_telling(rows, fits, marked, self._ended)
            table = sweep_table(shown, states, objectives, self.console, marked)
            taken = len(self.console.render_lines(table)) - len(shown)
            if taken <= head:
                break
            head = taken
        if left_out := len(rows) - len(shown):
            below.insert(0, line((f"{self.console.glyphs.elide} {left_out} more jobs", DIM)))
        self._live.update(Group(table, *below), refresh=True)

    def _below(self, rows: Sequence[Mapping[str, Any]]) -> list[Text]:
        """The lines below the table: how far the sweep is, what failed last, the note."""
        counts = Counter(str(row["status"]) for row in rows)
        done = len(rows) - counts.pop(RUNNING, 0) - counts.pop(NOT_STARTED, 0)
        how = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        best = worth_a_look(rows, self.sweep.objectives)
        text = f"{done} of {self.sweep.total} jobs have ended, {self.slots} slot{'s' * (self.slots != 1)}"
        text += (f": {how}" if how else "") + (f"; {best}" if best else "")
        failed = [self.sweep.jobs[number] for number in self._ended if self.sweep.jobs[number].status == FAILED]
        width = self.console.width
        return [
            *(line((each, BOLD)) for each in textwrap.wrap(text, width)),
            *(line((f"job {job.number} failed: {fmt.one_line(job.error or '')}", BAD)) for job in failed[-FAILURES:]),
            *(line((each, ACCENT)) for each in textwrap.wrap(self.note_text, width)),
        ]


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
