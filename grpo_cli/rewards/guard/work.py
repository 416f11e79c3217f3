"""What is asked of the pool, and what came of it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.errors import GrpoTrainError, RunError
from grpo_cli.rewards.values import RewardFailure


@dataclass
class Outcome:
    """What came of one job.

    Attributes:
        kind: "ok"; or "timeout", "error" (an exception), "died" (the process: a signal, an exit, memory),
            "value" (what came back is no reward); or "cancelled", since another one ends the run.
        seconds: wall time of the job.
        values: one checked value, or one per completion of a batch; None when it failed.
        what: what happened, as the middle of a sentence; `own` says that it is a whole one.
        index: the completion to blame within a batch, where that is known.
        trace: the end of the traceback, where there was one.
        logged: what the reward logged: ("log_metric", name, value) or ("log_extra", column, values).
        error: the exception itself, where it was raised in this process.
        fatal: whether the run cannot go on: the reward is still running, and cannot be ended.
    """

    kind: str
    seconds: float = 0.0
    values: list[float | None] | None = None
    what: str = ""
    index: int | None = None
    own: bool = False
    trace: str = ""
    logged: list[tuple[Any, ...]] = field(default_factory=list)
    error: BaseException | None = None
    fatal: bool = False

    @property
    def failed(self) -> bool:
        """Whether there are no values."""
        return self.kind != "ok"

    def ends_run(self, on_error: str) -> bool:
        """Whether it ends the run: what a reward says in a whole sentence (no money left, a wrong key) always does."""
        return self.fatal or self.own or (on_error == "raise" and self.kind in ("error", "value"))

    def failure(self) -> RewardFailure | RunError:
        """The failure as an exception, its remote traceback chained."""
        error = RunError(self.what) if self.own else RewardFailure(self.kind, self.what, self.index)
        error.__cause__ = self.error or (RemoteTraceback(self.trace) if self.trace else None)
        return error


class RemoteTraceback(Exception):
    """Shows, in the log, the traceback of a reward that ran in another process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def timed_out(allowance: float) -> Outcome:
    """The outcome of a job that was killed at its deadline."""
    return Outcome("timeout", allowance, what=f"took longer than its {allowance:g} s and was killed")


class Submission:
    """The jobs of one reward for one batch, on their way through the pool.

    Args:
        reward: the reward's number.
        lane: whose workers may do it.
        allowance: wall seconds per job.
        state: fields of the trainer's state, for functions that take it.
        jobs: pickled jobs.
        count: completions in the batch.
    """

    def __init__(
        self, reward: int, lane: int, allowance: float, state: dict[str, Any], jobs: list[bytes], count: int
    ) -> None:
        self.reward, self.lane, self.allowance, self.state = reward, lane, allowance, state
        self.jobs, self.count = jobs, count
        self.waiting = deque(range(len(jobs)))
        self.one_by_one = False  # once a job has hung: nothing may wait behind the next one that does
        self._outcomes: list[Outcome | None] = [None] * len(jobs)
        self._left = len(jobs)
        self._error: GrpoTrainError | None = None
        self._done = threading.Event()
        if not jobs:
            self._done.set()

    def settled(self, index: int) -> bool:
        """Whether a job has its outcome."""
        return self._outcomes[index] is not None

    def settle(self, index: int, outcome: Outcome) -> None:
        """Give a job its outcome; the first one counts."""
        if self._outcomes[index] is None:
            self._outcomes[index] = outcome
            self._left -= 1
            if not self._left:
                self._done.set()

    def fail(self, error: GrpoTrainError) -> None:
        """End the waiting: the pool itself is broken."""
        self._error = error
        self._done.set()

    @property
    def done(self) -> bool:
        """Whether all jobs have their outcome."""
        return self._done.is_set()

    def wait(self) -> list[Outcome]:
        """All outcomes, in the order of the jobs.

        Raises:
            GrpoTrainError: the pool cannot work.
        """
        self._done.wait()
        if self._error:
            raise self._error
        return [outcome for outcome in self._outcomes if outcome is not None]
