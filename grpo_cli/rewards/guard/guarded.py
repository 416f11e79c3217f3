"""One reward under guard: a callable in TRL's signature that always comes back."""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.guard.failures import Window
from grpo_cli.rewards.guard.limits import Limits
from grpo_cli.rewards.guard.placement import Placement
from grpo_cli.rewards.guard.work import Outcome
from grpo_cli.rewards.reward import Reward

CACHED = 65_536  # scores kept of one reward, the latest used ones


class Running(Protocol):
    """Work that was started."""

    def wait(self) -> list[Outcome]:
        """Its outcomes, in the order of the jobs."""
        ...


class Overseer(Protocol):
    """What a guarded reward needs of its guard."""

    def start(self, guarded: GuardedReward, jobs: list[Any], count: int, columns: Mapping[str, Any]) -> Running:
        """Start jobs where the reward runs."""
        ...

    def failed(self, guarded: GuardedReward, batch: Batch, index: int, outcome: Outcome, said: str) -> None:
        """Keep a failure, and tell the user of the first one."""
        ...

    def settle(self, guarded: GuardedReward, said: str) -> None:
        """After a batch with failures: end the run where there have been too many."""
        ...


@dataclass
class Batch:
    """What TRL gives a reward, and the work that was begun on it."""

    prompts: Sequence[Any]
    completions: Sequence[Any]
    completion_ids: Any
    columns: Mapping[str, Any]
    jobs: list[dict[str, Any]]
    keys: list[bytes | None]  # for the cache
    known: dict[bytes, float | None]  # cached scores
    asked: list[int]  # the jobs that are being done: those with no cached score, one of each kind
    running: Running


@dataclass
class Counts:
    """What happened since it was last asked."""

    completions: int = 0
    timeouts: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass
class GuardedReward:
    """A reward that cannot hang a run.

    Args:
        reward: the reward itself.
        number: its number in the pool.
        limits: what its entry says.
        placement: where it runs.
        overseer: its guard.
        window: its last completions.
    """

    reward: Reward
    number: int
    limits: Limits
    placement: Placement
    overseer: Overseer
    window: Window
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.__name__ = self.reward.__name__
        self.weight, self.correctness = self.reward.weight, self.reward.correctness
        self._cache: OrderedDict[bytes, float | None] = OrderedDict()
        self._begun: Batch | None = None
        if self.limits.cache and not self.reward.signature.completion:
            raise ConfigError(
                f"reward.{self.__name__}.cache=true needs a function of one completion, def f(completion, …); this "
                "one scores whole batches"
            )

    def begin(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any, columns: Mapping[str, Any]
    ) -> None:
        """Start on a batch; the call with the same list of completions collects it."""
        jobs = self.reward.jobs(prompts, completions, completion_ids, columns)
        keys: list[bytes | None] = [None] * len(jobs)
        given: list[Any] = jobs
        if self.limits.cache or self.placement.where == "workers":
            given = [self._pickled(job) for job in jobs]
        if self.limits.cache:
            keys = [hashlib.blake2b(data, digest_size=16).digest() for data in given]
        if self.placement.where == "here":
            given = jobs
        known = {key: self._cache[key] for key in keys if key is not None and key in self._cache}
        first: dict[bytes, int] = {}
        asked = [i for i, key in enumerate(keys) if key is None or (key not in known and first.setdefault(key, i) == i)]
        running = self.overseer.start(self, [given[i] for i in asked], len(completions), columns)
        self._begun = Batch(prompts, completions, completion_ids, columns, jobs, keys, known, asked, running)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score a batch, or collect the scores of the one that was begun.

        Args:
            prompts: plain texts or message lists, one per completion.
            completions: likewise.
            completion_ids: each completion's token ids.
            **columns: the data's columns, one value per completion, and what TRL adds.

        Returns:
            One number per completion; None where the reward does not apply, or failed under `on_error: skip`.

        Raises:
            RunError: a failure ends the run: an exception or a bad value under `on_error: raise`, too many failures, a
                reward that cannot be ended.
        """
        if self._begun is None or self._begun.completions is not completions:
            self.begin(prompts, completions, completion_ids, columns)
        batch, self._begun = self._begun, None
        assert batch is not None
        return self._collect(batch)

    def outcomes(self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any, **columns: Any) -> Any:
        """The bare outcomes of a batch, with nothing done about failures."""
        self.begin(prompts, completions, completion_ids, columns)
        batch, self._begun = self._begun, None
        assert batch is not None
        return batch.running.wait()

    def _collect(self, batch: Batch) -> list[float | None]:
        found = dict(zip(batch.asked, batch.running.wait(), strict=False))
        by_key = {batch.keys[i]: outcome for i, outcome in found.items()}
        each = 1 if self.reward.signature.completion else len(batch.completions)
        scores: list[float | None] = []
        said = ""
        for index, key in enumerate(batch.keys):
            if key in batch.known:
                outcome = Outcome("ok", values=[batch.known[key]])
            else:
                outcome = found.get(index) or by_key[key]
            if outcome.kind == "cancelled":
                continue  # the completion to blame comes later, and ends the run
            fresh = index in found
            self.counts.completions += each
            self.counts.seconds += outcome.seconds if fresh else 0.0
            self.window.add(outcome.kind, each)
            if not outcome.failed:
                scores += outcome.values or []
                self._keep(key, outcome)
                self._log(batch, outcome if fresh else None)
                continue
            self.counts.timeouts += each * (outcome.kind == "timeout")
            self.counts.errors += each * (outcome.kind != "timeout")
            failure = outcome.failure()
            error = self.reward.error(failure, batch.prompts, batch.completions, index, batch.columns)
            said = str(error)
            self.overseer.failed(self, batch, index, outcome, said)
            if outcome.ends_run(self.limits.on_error):
                raise error from failure.__cause__
            scores += [0.0 if self.limits.on_error == "zero" else None] * each
        if said:
            self.overseer.settle(self, said)
        return scores

    def _keep(self, key: bytes | None, outcome: Outcome) -> None:
        if key is not None and outcome.values:
            self._cache[key] = outcome.values[0]
            self._cache.move_to_end(key)
            if len(self._cache) > CACHED + 4096:
                for _ in range(4096):
                    self._cache.popitem(last=False)

    def _log(self, batch: Batch, outcome: Outcome | None) -> None:
        """Hand on what the reward logged in its process."""
        for what, name, value in outcome.logged if outcome else ():
            if callable(log := batch.columns.get(what)):
                log(name, value)

    def _pickled(self, job: Mapping[str, Any]) -> bytes:
        try:
            return pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            culprit = next((key for key, value in job.items() if not _can_pickle(value)), "an argument")
            name = self.__name__
            raise RunError(
                f"reward {name!r} takes {culprit!r}, which cannot be sent to another process ({error}); write "
                f"reward.{name}.isolate=here" + (f" and reward.{name}.cache=false" if self.limits.cache else "")
            ) from error


def _can_pickle(value: Any) -> bool:
    try:
        pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        return False
    return True
