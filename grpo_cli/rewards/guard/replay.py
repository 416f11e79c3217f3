"""One line of `reward_failures.jsonl`, done again: does it still fail, and how?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.build import RewardContext, build_reward
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.work import Outcome
from grpo_cli.rewards.source import reward_sources

_NEEDED = ("reward", "entry", "facts", "form", "prompt", "completion", "columns", "kind")


@dataclass(frozen=True)
class Replayed:
    """What came of doing a failure again.

    Attributes:
        kind: "ok", or how it failed: "timeout", "error", "died", "value".
        values: the scores (one, or one per completion of a batch); None when it failed.
        message: the whole sentence about a failure; "" when it did not fail.
        seconds: wall time.
        recorded: the kind that the record has.
        source_changed: whether the reward's file is not the one that failed.
        cut: fields of the record that are not whole, and what they were; with any, the replay is not exact.
    """

    kind: str
    values: list[float | None] | None
    message: str
    seconds: float
    recorded: str
    source_changed: bool
    cut: dict[str, str]

    @property
    def same(self) -> bool:
        """Whether it failed the way it did then."""
        return self.kind == self.recorded


def replay(
    record: Mapping[str, Any],
    *,
    context: RewardContext | None = None,
    timeout: float | None = None,
    memory_gb: float | None = 4.0,
) -> Replayed:
    """Do a recorded failure again, under guard: a completion that hung is killed here too.

    Args:
        record: one record of a run's `reward_failures.jsonl`.
        context: tokenizer and device, for rewards that take them; seed and `prompt_opens_think` are the record's.
        timeout: wall seconds, in place of the entry's own.
        memory_gb: cap of the worker.

    Returns:
        What came of it.

    Raises:
        ConfigError: the record lacks what a replay needs, or its reward can no longer be built.
    """
    if missing := [key for key in _NEEDED if key not in record]:
        raise ConfigError(f"this is no record of reward_failures.jsonl: it has no {', '.join(missing)}")
    name, entry = str(record["reward"]), dict(record["entry"])
    if timeout is not None:
        entry["timeout"] = timeout
    given = context or RewardContext()
    facts = RewardContext(tokenizer=given.tokenizer, device=given.device, **record["facts"])
    reward = build_reward(name, entry, facts)
    one = record["form"] == "completion"
    ids = record.get("completion_ids")
    columns = {key: [value] if one else value for key, value in record["columns"].items()}
    prompts = [record["prompt"]] if one else list(record["prompt"])
    completions = [record["completion"]] if one else list(record["completion"])
    settings = {"workers": 1, "memory_gb": memory_gb}
    with Guard([reward], {name: {**entry, "cache": False}}, context=facts, settings=settings) as guard:
        outcomes: list[Outcome] = guard.rewards[0].outcomes(
            prompts, completions, [ids] if one and ids is not None else ids, **columns
        )
    outcome = outcomes[0]
    message = str(reward.error(outcome.failure(), prompts, completions, 0, {})) if outcome.failed else ""
    then = (record.get("source") or {}).get("sha256")
    return Replayed(
        kind=outcome.kind,
        values=outcome.values,
        message=message,
        seconds=outcome.seconds,
        recorded=str(record["kind"]),
        source_changed=reward_sources({name: entry})[name]["sha256"] != then,
        cut=dict(record.get("cut") or {}),
    )
