"""Worker processes that can be killed: each completion has a deadline, and losing one costs no other.

Measured against `pebble.ProcessPool` on the same two cores: 64 trivial completions, one deadline each, take it
4.9 ms (chunks would take 0.8 ms and be lost whole), and a worker that it replaces imports its modules anew.

One thread looks after all workers. Jobs go out in small chunks, as large as a few milliseconds of work; an answer
comes back for each job, so that of a chunk that hangs only the job at fault is lost. When a worker has been on
one job for long and another has nothing to do, that one takes over the rest of the chunk.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from grpo_cli.errors import ConfigError, GrpoTrainError, RunError
from grpo_cli.rewards.guard.process import Template, Worker, cause
from grpo_cli.rewards.guard.schedule import Schedule
from grpo_cli.rewards.guard.template import ALL
from grpo_cli.rewards.guard.work import Outcome, Submission, timed_out

_STUCK_SECONDS = 0.05  # after which an idle worker takes over what waits behind a job
_START_SECONDS = 600.0
_REST_SECONDS = 0.001
_DEATHS_AT_START = 3
_NICE = 1  # the trainer's own threads come first


class Pool:
    """Workers that do the jobs of a run's rewards.

    Args:
        rewards: number → (name, config entry, run facts), of which each worker builds its rewards.
        workers: how many jobs are done at once.
        lanes: numbers of those rewards that always run in one and the same worker of their own.
        memory_gb: cap of one worker.

    Example:
        >>> entry = {"target": "grpo_cli.rewards.length:length"}
        >>> pool = Pool({0: ("length", entry, {})}, workers=1)
        >>> [outcome.values for outcome in pool.submit(0, [{"completion": "abc", "completion_ids": []}], 1).wait()]
        [[3.0]]
        >>> pool.close()
    """

    def __init__(
        self,
        rewards: dict[int, tuple[str, dict[str, Any], dict[str, Any]]],
        workers: int,
        lanes: Sequence[int] = (),
        memory_gb: float | None = 4.0,
    ) -> None:
        self.size = workers
        self._lanes = frozenset(lanes)
        self._shared = bool(set(rewards) - self._lanes)
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._selector.register(self._wake, selectors.EVENT_READ, self._woken)
        setup = {"rewards": rewards, "lanes": self._lanes, "memory_gb": memory_gb, "nice": _NICE}
        self._template = Template(setup)
        self._selector.register(self._template.sock, selectors.EVENT_READ, self._from_template)
        self._workers: list[Worker] = []
        self._ended: dict[int, Worker] = {}  # by pid; their exit codes are on the way
        self._schedule = Schedule(workers)
        self._spare = 0
        self._understaffed = True
        self._failed_starts = 0
        self._started = time.monotonic()
        self._closing = False
        self._broken: GrpoTrainError | None = None
        self._staff()
        self._thread = threading.Thread(target=self._run, name="reward-pool", daemon=True)
        self._thread.start()

    def submit(
        self,
        reward: int,
        jobs: Sequence[dict[str, Any]],
        allowance: float,
        state: dict[str, Any] | None = None,
        count: int = 1,
    ) -> Submission:
        """Queue the jobs of one reward; returns at once.

        Args:
            reward: its number.
            jobs: keyword arguments, as `Reward.jobs` lays them out.
            allowance: wall seconds each job may take.
            state: plain fields of the trainer's state.
            count: completions in the batch.

        Raises:
            TypeError, AttributeError, pickle.PicklingError: an argument cannot be sent to another process.
            GrpoTrainError: the pool cannot work.
        """
        return self.submit_pickled(reward, [pickle.dumps(job, 5) for job in jobs], allowance, state, count)

    def submit_pickled(
        self,
        reward: int,
        jobs: list[bytes],
        allowance: float,
        state: dict[str, Any] | None = None,
        count: int = 1,
    ) -> Submission:
        """`submit` for jobs that are pickled already."""
        lane = reward if reward in self._lanes else ALL
        submission = Submission(reward, lane, allowance, state or {}, jobs, count)
        with self._lock:
            if self._closing:
                raise RunError("The rewards' workers were closed")
            if self._broken:
                raise self._broken
            if jobs:
                self._schedule.add(submission)
                self._dispatch(time.monotonic())
                self._rouse()
        return submission

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._rouse()
        self._thread.join(2)
        for worker in self._workers:
            worker.kill()
            worker.close()
        self._workers = []
        self._template.close()
        self._schedule.fail(RunError("The rewards' workers were closed"))
        self._selector.close()
        os.close(self._wake)
        os.close(self._waker)

    # What follows runs in the pool's thread, or under its lock.

    def _run(self) -> None:
        try:
            while not self._closing:
                events = self._selector.select(self._patience())
                with self._lock:
                    for key, _ in events:
                        key.data()
                    now = time.monotonic()
                    self._check(now)
                    self._dispatch(now)
                    rest = self._rest()
                if rest:
                    time.sleep(rest)
        except Exception as error:
            self._break(RunError(f"The pool of reward workers failed: {type(error).__name__}: {error}"))
            raise

    def _patience(self) -> float | None:
        """Seconds until something must be done although nothing has happened."""
        with self._lock:
            times = [worker.deadline for worker in self._workers if worker.assigned or worker.dropping]
            if any(w.idle and w.lane == ALL for w in self._workers):
                times += [w.started + _STUCK_SECONDS for w in self._workers if len(w.assigned) > 1 and w.lane == ALL]
            if self._schedule and any(not worker.alive for worker in self._workers):
                times.append(time.monotonic() + 5)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _rest(self) -> float:
        """Seconds to sleep while all are busy: looking at several answers at once leaves the cores to the workers."""
        busy = [worker for worker in self._workers if worker.assigned]
        shortest = min((self._schedule.expected(worker.assigned) for worker in busy), default=0.0)
        rest = min(_REST_SECONDS, shortest / 2)
        return rest if rest > _REST_SECONDS / 5 else 0.0

    def _rouse(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b".")

    def _woken(self) -> None:
        os.read(self._wake, 4096)

    def _staff(self) -> None:
        """Have as many workers as there is use for; spares only once a worker has had to be killed."""
        self._understaffed = False
        counts = Counter(worker.lane for worker in self._workers)
        wanted = dict.fromkeys(self._lanes, 1) | ({ALL: self.size + self._spare} if self._shared else {})
        for lane, number in wanted.items():
            for _ in range(number - counts[lane]):
                try:
                    worker = self._template.fork(lane)
                except OSError:  # it has ended: what it said, or its silence, is read soon
                    self._understaffed = True
                    return
                self._workers.append(worker)
                self._selector.register(worker.sock, selectors.EVENT_READ, lambda w=worker: self._from_worker(w))

    def _dispatch(self, now: float) -> None:
        """Give work to whoever has none."""
        if self._broken or not self._schedule:
            return
        if self._understaffed:
            self._staff()
        busy = sum(1 for w in self._workers if w.lane == ALL and w.alive and not w.idle)
        for worker in self._workers:
            if not worker.idle or (worker.lane == ALL and busy >= self.size):
                continue
            submission = self._schedule.next(worker.lane)
            if submission is None and worker.lane == ALL and self._take_over(now):
                submission = self._schedule.next(worker.lane)
            if submission is None:
                continue
            busy += worker.lane == ALL
            self._assign(worker, submission)
            self._begin(worker, now)
        for worker in self._workers:
            # The next chunk is there before the last job of this one is done, so that nobody waits for us.
            if worker.lane == ALL and len(worker.assigned) == 1 and worker.alive and not worker.dropping:
                submission = self._schedule.ahead(ALL)
                if submission is None or now - worker.started > _STUCK_SECONDS:
                    continue
                self._assign(worker, submission)

    def _begin(self, worker: Worker, now: float) -> None:
        """The clock of a worker's next job starts."""
        if worker.assigned:
            worker.allowance = self._schedule.allowance(worker.assigned[0])
        worker.started, worker.deadline = now, now + worker.allowance

    def _assign(self, worker: Worker, submission: Submission) -> None:
        chunk = self._schedule.chunk(submission)
        worker.assigned.extend(number for number, _, _ in chunk)
        self._send(worker, ("work", submission.reward, submission.state, chunk))

    def _send(self, worker: Worker, message: Any = None) -> None:
        done = worker.write(message)
        events = selectors.EVENT_READ | (0 if done else selectors.EVENT_WRITE)
        key = self._selector.get_key(worker.sock)
        if key.events != events:
            self._selector.modify(worker.sock, events, key.data)

    def _take_over(self, now: float) -> bool:
        """Take back what waits behind jobs that are slow; whether there was any."""
        taken = False
        for worker in self._workers:
            if worker.lane == ALL and len(worker.assigned) > 1 and now - worker.started > _STUCK_SECONDS:
                rest = [worker.assigned.pop() for _ in range(len(worker.assigned) - 1)]
                worker.dropping |= set(rest)
                self._send(worker, ("drop", rest))
                self._schedule.give_back(rest)
                taken = True
        return taken

    def _from_worker(self, worker: Worker) -> None:
        if worker not in self._workers:  # an earlier event of this round has let it go
            return
        if worker.outbox:
            self._send(worker)
        messages, closed = worker.read()
        for message in messages:
            self._hear(worker, message)
        if closed and worker in self._workers:
            self._lost(worker)

    def _hear(self, worker: Worker, message: tuple[Any, ...]) -> None:
        what = message[0]
        if what == "hello":
            worker.hello(message[1])
            self._failed_starts = 0
            if worker.pidfd is not None:
                self._selector.register(worker.pidfd, selectors.EVENT_READ, lambda: self._died(worker))
        elif what == "failed":
            self._break(ConfigError(*message[1]))
        elif what == "dropped":
            # What it had begun before it read our message is being done twice; the first answer counts.
            begun = [number for number in sorted(worker.dropping) if number not in message[1]]
            worker.dropping.clear()
            worker.assigned.extend(number for number in begun if not self._schedule.settled(number))
        else:
            self._answer(worker, *message)

    def _answer(self, worker: Worker, number: int, seconds: float, values: Any, more: Any) -> None:
        if number in worker.assigned:
            worker.assigned.remove(number)
        worker.dropping.discard(number)
        if values is None:
            kind, what, index, own, trace = more
            outcome = Outcome(kind, seconds, None, what, index, own, trace)
            if kind == "died":  # out of memory: it answered, and ends
                worker.alive = False
                self._schedule.give_back([worker.assigned.pop() for _ in range(len(worker.assigned))])
        else:
            outcome = Outcome("ok", seconds, values, logged=more)
        self._schedule.answered(number, outcome)
        self._begin(worker, time.monotonic())
        self._schedule.forget(self._open_numbers)

    def _open_numbers(self) -> set[int]:
        """Jobs that a worker may still answer, though another was quicker."""
        return {n for w in [*self._workers, *self._ended.values()] for n in (*w.assigned, *w.dropping)}

    def _died(self, worker: Worker) -> None:
        """Its pidfd says that it has ended: read what it still said, then let it go."""
        if worker not in self._workers:
            return
        for message in worker.read()[0]:
            self._hear(worker, message)
        if worker in self._workers:
            self._lost(worker)

    def _lost(self, worker: Worker) -> None:
        """A worker has ended that we did not kill; the template is asked why."""
        self._release(worker)
        if not worker.pid:
            self._failed_starts += self._template.ready
            if self._failed_starts >= _DEATHS_AT_START:
                self._break(
                    RunError(
                        "The rewards' worker processes end as they start; raise guard.memory_gb, and look into the log"
                    )
                )
            return
        if worker.assigned:
            self._ended[worker.pid] = worker
        self._template.reap(worker.pid)

    def _release(self, worker: Worker) -> None:
        """Count it no longer; what it had not begun is done by others."""
        worker.alive = False
        self._understaffed = True
        self._workers.remove(worker)
        self._selector.unregister(worker.sock)
        if worker.pidfd is not None:
            self._selector.unregister(worker.pidfd)
        self._schedule.give_back([worker.assigned.pop() for _ in range(len(worker.assigned) - 1)])
        worker.close()

    def _check(self, now: float) -> None:
        """Kill what is past its deadline."""
        for worker in [w for w in self._workers if (w.assigned or w.dropping) and w.deadline <= now]:
            worker.kill()
            self._release(worker)
            self._template.reap(worker.pid)
            self._spare = self.size
            if worker.assigned:
                self._schedule.settle(worker.assigned[0], timed_out(worker.allowance))
        if not self._template.ready and now - self._started > _START_SECONDS:
            self._break(RunError(f"The rewards could not be imported in their own process in {_START_SECONDS:g} s"))

    def _from_template(self) -> None:
        try:
            data = self._template.sock.recv(1 << 16)
        except OSError:
            data = b""
        for message in self._template.inbox.feed(data):
            if message[0] == "ready":
                self._template.ready = True
            elif message[0] == "failed":
                self._break(ConfigError(*message[1]))
            elif worker := self._ended.pop(message[1], None):
                self._schedule.settle(worker.assigned[0], Outcome("died", what=cause(message[2])))
        if not data and not self._closing:
            self._selector.unregister(self._template.sock)
            self._break(RunError("The process that the rewards' workers come from has ended; its log may say why"))

    def _break(self, error: GrpoTrainError) -> None:
        """Nothing can be scored any more: whoever waits is told."""
        self._broken = self._broken or error
        self._schedule.fail(self._broken)
