"""Jobs of a multirun side by side: one process each, one job a slot, all stopped together, none left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from grpo_cli.display.sweep import SweepDisplay, make_sweep_display
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.signals import Interrupted, SignalWatch, exit_code_for
from grpo_cli.launch.slots import Slot
from grpo_cli.runs.result import INTERRUPTED, RUNNING
from grpo_cli.runs.sweep import Sweep
from grpo_cli.sweep.budget import Budget
from grpo_cli.sweep.multirun import DONE, SweepFailed
from grpo_cli.sweep.slot_job import SlotJob, kill, start
from grpo_cli.sweep.source import Source
from grpo_cli.sweep.starter import JobStarter

TICK_SECONDS = 0.1
LOOK_SECONDS = 1.0  # between two looks at whether jobs are to be pruned
SAVE_SECONDS = 30.0  # a killed multirun has forgotten at most so much of its GPU time
LOADING = "loading what all jobs share…"
AT_ONCE_SECONDS = 15.0  # a job that is stopped at once takes this long at most


class SideBySide:
    """Runs the jobs of a source on slots, recording each.

    The first SIGINT, SIGTERM or SIGHUP is passed on to every job, which saves a checkpoint and ends; the second one
    ends them all at once. The end of the budget, and under `fail_fast` a job that fails, stop the rest likewise.

    Args:
        sweep: the record.
        source: the jobs.
        slots: where they run.
        config_of: where a job's frozen configuration lies, by its number.
        budget: what they may take.
        fail_fast: whether a failed job ends the multirun.
        starter: starts their processes; each anew by default.
    """

    def __init__(
        self,
        sweep: Sweep,
        source: Source,
        slots: Sequence[Slot],
        config_of: Callable[[int], Path],
        budget: Budget,
        fail_fast: bool = False,
        starter: JobStarter | None = None,
    ) -> None:
        self.sweep = sweep
        self.source = source
        self.free = list(slots)
        self.config_of = config_of
        self.budget = budget
        self.fail_fast = fail_fast
        self.starter = starter or JobStarter(None)
        self.running: list[SlotJob] = []
        self.failed = False
        self._started = time.monotonic()
        self._dry = False  # the source had nothing; ask again when a job has ended
        self._next_look = self._next_save = 0.0

    def run(self, display: str) -> None:
        """Run them all.

        Args:
            display: the `display` key.

        Raises:
            Interrupted: after a signal, when all jobs have ended.
            SweepFailed: a job failed and `fail_fast` is set.
        """
        with ExitStack() as stack:
            stack.callback(lambda: kill(self.running))
            watch = stack.enter_context(SignalWatch())
            shown = stack.enter_context(make_sweep_display(display, self.sweep, len(self.free)))
            self.starter.say = shown.note
            self._loop(watch, shown)
        if watch.first is not None:
            code = exit_code_for(watch.first)
            outcome = Outcome(code, INTERRUPTED, watch.first, None, time.monotonic() - self._started)
            raise Interrupted(code, outcome)
        if self.failed:
            raise SweepFailed()

    def _loop(self, watch: SignalWatch, shown: SweepDisplay) -> None:
        passed_on, at_once = 0, None
        while True:
            waiting = False
            if not (watch.count or self._stopping()):
                waiting = not self.starter.ready()
                if waiting:
                    shown.note_text = LOADING
                elif shown.note_text == LOADING:
                    shown.note_text = ""
                if not waiting:
                    self._fill(watch, shown)
            if not self.running and not waiting:
                return
            if passed_on < min(watch.count, 2):
                passed_on = min(watch.count, 2)
                self._stop_all(watch.first or "SIGTERM", shown, again=passed_on == 2)
                at_once = time.monotonic() + AT_ONCE_SECONDS if passed_on == 2 else None
            if at_once and time.monotonic() > at_once:
                kill(self.running)
            for ended in [each for each in self.running if each.process.poll() is not None]:
                self._end(ended, stopped=bool(watch.count) or self._stopping(), shown=shown)
                failed = ended.job.status not in DONE
                if failed and self.fail_fast and not (watch.count or self._stopping()):
                    self.failed = True
                    self._stop_all("SIGTERM", shown, why=f"job {ended.job.number} failed")
            if not (watch.count or self._stopping()):
                self._look(shown)
            with suppress(OSError):  # the terminal has gone: no reason to lose the jobs
                shown.tick()
            time.sleep(TICK_SECONDS)

    def _stopping(self) -> bool:
        """Whether no further job is to be started, for another reason than a signal."""
        return self.failed or self.sweep.ended is not None

    def _fill(self, watch: SignalWatch, shown: SweepDisplay) -> None:
        """Put jobs into free slots."""
        while self.free and not self._dry and not watch.count:
            job = self.source.take()
            if job is None:
                self._dry = True
                return
            job.status = RUNNING
            self.running.append(start(job, self.free.pop(0), self.config_of(job.number), self.starter))
            self.sweep.save()
            shown.changed(job)

    def _end(self, ended: SlotJob, stopped: bool, shown: SweepDisplay) -> None:
        """Record a job that has ended, and free its slot."""
        self.running.remove(ended)
        self.free.insert(0, ended.slot)
        self._dry = False
        ended.settle(stopped)
        self.sweep.save()
        self.source.ended(ended.job)
        shown.changed(ended.job)

    def _look(self, shown: SweepDisplay) -> None:
        """Prune jobs, and see whether the budget is spent."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        for each in self.running:
            each.charge()
            if each.pruned is None and (why := self.source.prune(each.job)):
                each.pruned = why
                each.send("SIGTERM")
        taken = sum(job.gpu_seconds for job in self.sweep.jobs)
        self.sweep.ended = self.budget.spent(now - self._started, taken)
        if self.sweep.ended:
            self._stop_all("SIGTERM", shown, why=self.sweep.ended)
        if now >= self._next_save:
            self._next_save = now + SAVE_SECONDS
            self.sweep.save()

    def _stop_all(self, name: str, shown: SweepDisplay, again: bool = False, why: str | None = None) -> None:
        """Send a stop signal to every job, and say so."""
        for each in self.running:
            each.send(name)
        text = "stopping all jobs at once" if again else "each job saves a checkpoint and ends; again to stop at once"
        with suppress(OSError):
            shown.note(f"{why or name}: {text}.")
