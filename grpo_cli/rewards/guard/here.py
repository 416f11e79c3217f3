"""Rewards that need the training process: a thread with deadlines, and an event loop for async ones.

Nothing can end a thread, so a reward that overruns here ends the run, with its name, instead of holding it for
ever. Where it holds the interpreter itself, a timer of the C runtime ends the process.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import faulthandler
import queue
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.rewards.guard.work import Outcome
from grpo_cli.rewards.reward import Reward
from grpo_cli.rewards.values import RewardFailure

# What a thread that holds the interpreter may overrun its deadline before the process is ended.
GRACE_SECONDS = 15.0
_ARM_EVERY = 1.0

Job = Mapping[str, Any]


class Here:
    """Does jobs in this process: sync ones one after another in a thread, async ones together in a loop."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(
        self, reward: Reward, jobs: Sequence[Job], allowance: float, trainer: Mapping[str, Any], count: int
    ) -> Overseen:
        """Queue the jobs of a sync reward."""
        running = Overseen(reward, jobs, allowance, trainer, count)
        device = _device()
        self._queue.put(lambda: running.work(device))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rewards-here", daemon=True)
            self._thread.start()
        return running

    def submit_async(
        self,
        reward: Any,
        jobs: Sequence[Job],
        allowance: float,
        trainer: Mapping[str, Any],
        count: int,
        stop_at_error: bool,
    ) -> Awaited:
        """Start the jobs of an async reward, all at once."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="rewards-async", daemon=True).start()
        work = score_all(reward, jobs, allowance, trainer, count, stop_at_error)
        return Awaited(self._loop, work, allowance)

    def close(self) -> None:
        """Let the threads end when they have nothing more to do."""
        self._queue.put(None)
        if (loop := self._loop) is not None:
            self._loop = None
            ended = asyncio.run_coroutine_threadsafe(_cancel_all(), loop)
            ended.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            task()


class Overseen:
    """Jobs being done in the thread, and whoever waits for them."""

    def __init__(
        self, reward: Reward, jobs: Sequence[Job], allowance: float, trainer: Mapping[str, Any], count: int
    ) -> None:
        self._reward, self._jobs, self._allowance = reward, jobs, allowance
        self._trainer, self._count = trainer, count
        self._outcomes: list[Outcome] = []
        self._began: float | None = None  # the job that is being done; None: it is not our turn
        self._changed = threading.Condition()

    def work(self, device: Callable[[], None]) -> None:
        """Do the jobs; runs in the thread."""
        device()
        armed = 0.0
        for job in self._jobs:
            now = time.monotonic()
            with self._changed:
                self._began = now
                self._changed.notify()
            if now - armed > _ARM_EVERY:  # setting it takes a while
                _arm(self._allowance + _ARM_EVERY + GRACE_SECONDS)
                armed = now
            outcome = _done(self._reward, job, self._count, self._trainer)
            with self._changed:
                self._outcomes.append(outcome)
                self._changed.notify()
        faulthandler.cancel_dump_traceback_later()

    def wait(self) -> list[Outcome]:
        """The outcomes, as many as there are: the last is a timeout where a job overran."""
        with self._changed:
            while len(self._outcomes) < len(self._jobs):
                if self._began is None:
                    self._changed.wait()
                    continue
                left = self._began + self._allowance - time.monotonic()
                if left <= 0:
                    faulthandler.cancel_dump_traceback_later()
                    return [*self._outcomes, _overran(self._allowance)]
                self._changed.wait(left)
        return self._outcomes


class Awaited:
    """Jobs being done in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, list[Outcome]], allowance: float
    ) -> None:
        self._allowance = allowance
        self._future = asyncio.run_coroutine_threadsafe(work, loop)

    def wait(self) -> list[Outcome]:
        """The outcomes; a single timeout where the function blocks the loop instead of awaiting."""
        try:
            return self._future.result(self._allowance + GRACE_SECONDS)
        except concurrent.futures.TimeoutError:
            return [_overran(self._allowance, "blocks its event loop (it works without await) and ")]


async def score_all(
    reward: Any, jobs: Sequence[Job], allowance: float, trainer: Mapping[str, Any], count: int, stop_at_error: bool
) -> list[Outcome]:
    """Do the jobs of an async reward, each under its own deadline.

    Args:
        reward: the reward.
        jobs: its jobs.
        allowance: wall seconds per job.
        trainer: what only the trainer gives.
        count: completions in the batch.
        stop_at_error: whether the first exception or bad value cancels the rest: nothing of a batch that ends
            the run may go on calling a paid service.
    """
    tasks: list[asyncio.Task[Outcome]] = []

    async def one(job: Job) -> Outcome:
        started = time.perf_counter()
        try:
            values = await asyncio.wait_for(reward.run(job, count, trainer), allowance)
            return Outcome("ok", time.perf_counter() - started, values)
        except (asyncio.TimeoutError, Exception) as error:
            outcome = _failed(error, time.perf_counter() - started, allowance)
            if stop_at_error and outcome.kind in ("error", "value"):
                for task in tasks:
                    if task is not asyncio.current_task():
                        task.cancel()
            return outcome

    tasks += [asyncio.ensure_future(one(job)) for job in jobs]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    return [outcome if isinstance(outcome, Outcome) else Outcome("cancelled") for outcome in done]


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _done(reward: Reward, job: Job, count: int, trainer: Mapping[str, Any]) -> Outcome:
    started = time.perf_counter()
    try:
        return Outcome("ok", values=reward.run(job, count, trainer), seconds=time.perf_counter() - started)
    except BaseException as error:  # the thread must go on, and the waiting be told
        return _failed(error, time.perf_counter() - started)


def _failed(error: BaseException, seconds: float, allowance: float = 0.0) -> Outcome:
    """An exception as an outcome that keeps it."""
    if isinstance(error, RewardFailure):
        outcome = Outcome(error.kind, seconds, what=error.what, index=error.index)
    elif isinstance(error, RunError):
        outcome = Outcome("error", seconds, what=str(error), own=True)
    elif isinstance(error, asyncio.TimeoutError):
        return Outcome("timeout", seconds, what=f"took longer than its {allowance:g} s and was cancelled")
    else:
        outcome = Outcome("error", seconds, what=f"failed with {type(error).__name__}: {str(error)[:200]}")
    outcome.error = error.__cause__ or error
    return outcome


def _overran(allowance: float, how: str = "") -> Outcome:
    what = (
        f"{how}takes longer than its {allowance:g} s, and in the training process it cannot be killed, so the run "
        "ends; raise its timeout, or let it run in workers (it must not take the tokenizer, the device or the "
        "trainer then)"
    )
    return Outcome("timeout", allowance, what=what, fatal=True)


def _arm(seconds: float) -> None:
    """End the process in so many seconds, with all tracebacks in the log, whoever holds the interpreter."""
    with contextlib.suppress(Exception):  # stderr may be no file
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)


def _device() -> Callable[[], None]:
    """What gives another thread this one's CUDA device: each thread starts with the first."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return lambda: None
    current = torch.cuda.current_device()
    return lambda: torch.cuda.set_device(current)
