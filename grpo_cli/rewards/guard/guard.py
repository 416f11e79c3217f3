"""All rewards of a run under guard: they start together, so that a batch costs the slowest and not the sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.build import RewardContext
from grpo_cli.rewards.guard.failures import Journal, Window
from grpo_cli.rewards.guard.guarded import Batch, Counts, GuardedReward, Running
from grpo_cli.rewards.guard.here import Here
from grpo_cli.rewards.guard.limits import Limits, Settings
from grpo_cli.rewards.guard.placement import place
from grpo_cli.rewards.guard.pool import Pool
from grpo_cli.rewards.guard.work import Outcome
from grpo_cli.rewards.reward import Reward
from grpo_cli.rewards.source import reward_sources

_NOT_COLUMNS = {
    "prompt",
    "prompts",
    "completion",
    "completions",
    "completion_ids",
    "prompt_opens_think",
    "environments",
}
_STATE = ("global_step", "max_steps", "epoch", "num_train_epochs", "logging_steps", "train_batch_size", "best_metric")


class Guard:
    """Runs a run's rewards so that none of them can hang it.

    Args:
        rewards: what `build_rewards` built.
        entries: the `reward:` section they were built from.
        context: the facts they were built with.
        settings: the `guard` section; None for its defaults.
        failures: the run's `reward_failures.jsonl`; None to keep no record.
        warn: called with a sentence at the first failure of each kind.
        rank: this process.

    Raises:
        ConfigError: an entry asks for what its reward cannot have (`isolate: workers`, `cache: true`).

    Example:
        >>> from grpo_cli.rewards.build import build_rewards
        >>> entries = {"length": {"target": "grpo_cli.rewards.length:length", "timeout": 2.0}}
        >>> context = RewardContext()
        >>> with Guard(build_rewards(entries, context=context), entries, context=context) as guard:
        ...     guard.rewards[0](["p", "p"], ["a", "abc"])
        [1.0, 3.0]
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        entries: Mapping[str, Mapping[str, Any]],
        *,
        context: RewardContext,
        settings: Mapping[str, Any] | None = None,
        failures: Path | None = None,
        warn: Callable[[str], None] = lambda sentence: None,
        rank: int = 0,
    ) -> None:
        self.settings = Settings.of(settings)
        self.workers = self.settings.worker_count()
        self._entries = {name: dict(entry) for name, entry in entries.items()}
        self._facts = {"seed": context.seed, "prompt_opens_think": context.prompt_opens_think}
        self._journal = Journal(failures, rank)
        self._warn, self._warned = warn, set[tuple[str, str]]()
        self._sources: dict[str, Any] = {}
        self._here = Here()
        self._pool: Pool | None = None
        self.rewards = self._guarded(rewards)
        pooled = {r.number: r for r in self.rewards if r.placement.where == "workers"}
        if pooled:
            self._pool = Pool(
                {n: (r.__name__, self._entries[r.__name__], self._facts) for n, r in pooled.items()},
                self.workers,
                [n for n, r in pooled.items() if r.placement.own_worker],
                self.settings.memory_gb,
            )

    def _guarded(self, rewards: Sequence[Reward]) -> list[GuardedReward]:
        guarded: list[GuardedReward] = []
        problems: list[str] = []
        for number, reward in enumerate(rewards):
            limits = Limits.of(self._entries[reward.__name__])
            window = Window(self.settings.window, limits.max_failure_rate)
            try:
                guarded.append(GuardedReward(reward, number, limits, place(reward, limits.isolate), self, window))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)
        return guarded

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def begin(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any, columns: Mapping[str, Any]
    ) -> None:
        """Start every reward on a batch; each reward's call then collects its scores.

        Args:
            prompts: what every reward's call will get.
            completions: likewise: the same list object, by which the calls know the batch.
            completion_ids: likewise.
            columns: likewise, with what TRL adds.
        """
        # Rewards in workers first: those that run here may take this process's time.
        for reward in sorted(self.rewards, key=lambda r: r.placement.where == "here"):
            reward.begin(prompts, completions, completion_ids, columns)

    def take_counts(self) -> dict[str, Counts]:
        """What happened to each reward since the last call."""
        taken = {reward.__name__: reward.counts for reward in self.rewards}
        for reward in self.rewards:
            reward.counts = Counts()
        return taken

    def close(self) -> None:
        """End all processes and threads."""
        if self._pool:
            self._pool.close()
        self._here.close()

    def start(self, guarded: GuardedReward, jobs: list[Any], count: int, columns: Mapping[str, Any]) -> Running:
        """Start jobs where the reward runs (`guarded.Overseer`)."""
        one, timeout = bool(guarded.reward.signature.completion), guarded.limits.timeout
        # A batch that is scored at once may take as long as its completions would, one by one in the workers.
        allowance = timeout if one else timeout * max(1, math.ceil(count / self.workers))
        if guarded.placement.where == "workers":
            assert self._pool is not None
            state = columns.get("trainer_state") if guarded.reward.signature.takes("trainer_state") else None
            plain = {key: getattr(state, key) for key in _STATE if hasattr(state, key)}
            return self._pool.submit_pickled(guarded.number, jobs, allowance, plain, count)
        trainer = guarded.reward.trainer_arguments(columns)
        if guarded.reward.is_async:
            stop = guarded.limits.on_error == "raise"
            return self._here.submit_async(guarded.reward, jobs, allowance, trainer, count, stop)
        return self._here.submit(guarded.reward, jobs, allowance, trainer, count)

    def failed(self, guarded: GuardedReward, batch: Batch, index: int, outcome: Outcome, said: str) -> None:
        """Keep a failure, and tell the user of the first of its kind (`guarded.Overseer`)."""
        name = guarded.__name__
        self._journal.write(self._record(guarded, batch, index, outcome, said))
        if (name, outcome.kind) in self._warned:
            return
        self._warned.add((name, outcome.kind))
        if not outcome.ends_run(guarded.limits.on_error):
            becomes = "0.0" if guarded.limits.on_error == "zero" else "None"
            state = guarded.placement.own_worker and outcome.kind in ("timeout", "died")
            lost = "; its object starts anew, without its state" if state else ""
            where = f"; every failure is in {self._journal.path}" if self._journal.path else ""
            self._warn(f"{said.rstrip('.')}: it scores {becomes} and the run goes on{lost}{where}.")

    def settle(self, guarded: GuardedReward, said: str) -> None:
        """End the run where too much of the window has failed (`guarded.Overseer`)."""
        share = guarded.window.exceeded()
        if share is None:
            return
        name = guarded.__name__
        where = f"; all are in {self._journal.path}" if self._journal.path else ""
        raise RunError(
            f"reward {name!r}: {share}, more than reward.{name}.max_failure_rate="
            f"{guarded.limits.max_failure_rate:g} allows{where}. The last: {said}"
        )

    def _record(self, guarded: GuardedReward, batch: Batch, index: int, outcome: Outcome, said: str) -> dict[str, Any]:
        """All that `replay` needs to do it again."""
        name, one = guarded.__name__, bool(guarded.reward.signature.completion)
        if name not in self._sources:
            self._sources |= reward_sources({name: self._entries[name]})
        job = batch.jobs[index]
        taken = [key for key in batch.columns if key in job and key not in _NOT_COLUMNS]

        def pick(values: Any) -> Any:
            return values[index] if one else list(values)

        record = {
            "step": getattr(batch.columns.get("trainer_state"), "global_step", None),
            "reward": name,
            "kind": outcome.kind,
            "message": said,
            "seconds": round(outcome.seconds, 4),
            "form": "completion" if one else "batch",
            "prompt": pick(batch.prompts),
            "completion": pick(batch.completions),
            "columns": {key: pick(batch.columns[key]) for key in taken},
            "facts": self._facts,
            "entry": self._entries[name],
            "source": self._sources[name],
        }
        if "completion_ids" in job and batch.completion_ids is not None:
            record["completion_ids"] = pick(batch.completion_ids)
        if outcome.trace:
            record["traceback"] = outcome.trace
        return record
