"""What thinks up a sweep's jobs while it runs: the side of a sampler (Optuna) that the slots see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from grpo_cli.runs.sweep import Job


class Trials(Protocol):
    """A sampler: asked for a job whenever a slot is free, and told what became of each.

    All calls come from one thread.
    """

    def ask(self) -> tuple[int, Sequence[str]] | None:
        """Think up the next job.

        Returns:
            Its number (from 0, each once, but for one that an earlier start left unfinished) and its overrides, the
            command line's fixed ones among them; None when none is to be started any more.
        """

    def tell(self, job: Job) -> None:
        """Take note of how a job ended: its `status` (completed, pruned, failed, invalid, interrupted), its
        `objectives`, its `folder`.
        """

    def prune(self, job: Job) -> str | None:
        """Judge a job that runs; called about once a second.

        Returns:
            Why it is to be ended now, as one sentence; None where it goes on.
        """
