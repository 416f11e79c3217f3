"""Where slots get their jobs from: a list checked beforehand, or a sampler asked whenever a slot is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from grpo_cli.runs.sweep import INVALID, Job
from grpo_cli.sweep.trials import Trials


class Source(Protocol):
    """Jobs, one at a time."""

    def take(self) -> Job | None:
        """The next job to run, its configuration checked; None when there is none now."""

    def ended(self, job: Job) -> None:
        """A job that was taken has ended; its record says how."""

    def prune(self, job: Job) -> str | None:
        """Why a running job is to be ended now; None where it goes on."""


class JobList:
    """Jobs known beforehand, in order.

    Args:
        jobs: those to run.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._left = list(jobs)

    def take(self) -> Job | None:
        """The next one."""
        return self._left.pop(0) if self._left else None

    def ended(self, job: Job) -> None:
        """Nobody waits for it."""

    def prune(self, job: Job) -> str | None:
        """Each runs to its end."""


class Sampled:
    """Jobs that a sampler thinks up; those that are refused, or were completed earlier, it hears of at once.

    Args:
        trials: the sampler.
        check: composes and checks a job, by its number and overrides; its record says what was found.
    """

    def __init__(self, trials: Trials, check: Callable[[int, Sequence[str]], Job]) -> None:
        self._trials = trials
        self._check = check

    def take(self) -> Job | None:
        """Ask for jobs until there is one to run."""
        while (asked := self._trials.ask()) is not None:
            job = self._check(*asked)
            if job.status != INVALID and not job.earlier:
                return job
            self._trials.tell(job)
        return None

    def ended(self, job: Job) -> None:
        """Tell the sampler."""
        self._trials.tell(job)

    def prune(self, job: Job) -> str | None:
        """Ask the sampler."""
        return self._trials.prune(job)
