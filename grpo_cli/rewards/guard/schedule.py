"""Which jobs are handed out next, and how many at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from grpo_cli.errors import GrpoTrainError
from grpo_cli.rewards.guard.template import ALL
from grpo_cli.rewards.guard.work import Outcome, Submission

_CHUNK_SECONDS = 0.004
_LEAST_CHUNK_SECONDS = 0.0003  # less is not worth a message
_FIRST_CHUNK = 16  # jobs, while the reward's pace is not known

Chunk = list[tuple[int, int, bytes]]  # (job's number, completions in its batch, pickled job)


class Schedule:
    """All jobs that have no outcome yet.

    Args:
        workers: how many jobs are done at once.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._submissions: list[Submission] = []
        self._jobs: dict[int, tuple[Submission, int]] = {}  # each time a job is handed out, it gets a number
        self._numbers = 0
        self._paces: dict[int, float] = {}  # seconds per job, by reward

    def __bool__(self) -> bool:
        """Whether anything is still to be done."""
        return bool(self._submissions)

    def add(self, submission: Submission) -> None:
        """Queue a reward's jobs."""
        self._submissions.append(submission)

    def next(self, lane: int) -> Submission | None:
        """The work that will probably take longest; what is not known yet goes before that."""
        waiting = [s for s in self._submissions if s.waiting and s.lane == lane]
        return max(waiting, key=lambda s: self._paces.get(s.reward, math.inf) * len(s.waiting), default=None)

    def ahead(self, lane: int) -> Submission | None:
        """`next`, where it may be given to a worker that is about to be done: such jobs are known to be short."""
        submission = self.next(lane)
        if submission is None or submission.one_by_one:
            return None
        return submission if self._paces.get(submission.reward, math.inf) < _CHUNK_SECONDS else None

    def allowance(self, number: int) -> float:
        """Wall seconds that a job may take."""
        return self._jobs[number][0].allowance

    def expected(self, numbers: Collection[int]) -> float:
        """Seconds that handed-out jobs will probably take, if they all go as usual; 0 where one has hung before."""
        jobs = [self._jobs[number] for number in numbers]
        if any(submission.one_by_one for submission, _ in jobs):
            return 0.0
        return sum(self._paces.get(submission.reward, 0.0) for submission, _ in jobs)

    def chunk(self, submission: Submission) -> Chunk:
        """Take as many of its jobs as are a few milliseconds of work, and no more than a fair share."""
        waiting, pace = len(submission.waiting), self._paces.get(submission.reward)
        if submission.one_by_one:
            size = 1
        elif submission.lane != ALL:
            size = waiting
        else:
            fair = math.ceil(sum(len(s.waiting) for s in self._submissions if s.lane == ALL) / (2 * self._workers))
            least, most = (_LEAST_CHUNK_SECONDS / pace, _CHUNK_SECONDS / pace) if pace else (1, _FIRST_CHUNK)
            size = min(waiting, max(1, min(int(most), max(fair, int(least)))))
        chunk = []
        for index in [submission.waiting.popleft() for _ in range(size)]:
            self._numbers += 1
            self._jobs[self._numbers] = (submission, index)
            chunk.append((self._numbers, submission.count, submission.jobs[index]))
        return chunk

    def give_back(self, numbers: Sequence[int]) -> None:
        """Put jobs that were not begun to the front of their queue (numbers from last to first)."""
        for number in numbers:
            submission, index = self._jobs[number]
            if not submission.settled(index):
                submission.one_by_one = True
                submission.waiting.appendleft(index)

    def settled(self, number: int) -> bool:
        """Whether a job has its outcome (another worker may have been quicker)."""
        submission, index = self._jobs[number]
        return submission.settled(index)

    def answered(self, number: int, outcome: Outcome) -> None:
        """A worker has done a job: keep its outcome, and how long such jobs take."""
        reward = self._jobs[number][0].reward
        pace = self._paces.get(reward)
        seconds = max(outcome.seconds, 1e-6)
        self._paces[reward] = 0.8 * pace + 0.2 * seconds if pace else seconds
        self.settle(number, outcome)

    def settle(self, number: int, outcome: Outcome) -> None:
        """Give a job its outcome."""
        submission, index = self._jobs[number]
        submission.settle(index, outcome)
        submission.one_by_one |= outcome.kind == "timeout"
        if submission.done and submission in self._submissions:
            self._submissions.remove(submission)

    def forget(self, numbers: Callable[[], Collection[int]]) -> None:
        """Drop what is done with, once nothing is left to do.

        Args:
            numbers: gives those that a worker may still answer.
        """
        if self._jobs and not self._submissions:
            kept = numbers()
            self._jobs = {number: job for number, job in self._jobs.items() if number in kept}

    def fail(self, error: GrpoTrainError) -> None:
        """Tell whoever waits that nothing will come."""
        for submission in self._submissions:
            submission.fail(error)
        self._submissions = []
