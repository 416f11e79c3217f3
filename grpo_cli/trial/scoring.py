"""The one place where the trial calls rewards: every completion's value, time and error.

A reward that raises does not end the trial; what it raised is a result like any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.rewards.reward import AsyncReward, Reward


@dataclass
class Scores:
    """What one reward made of a number of completions.

    Attributes:
        values: per completion its value; None where the reward does not apply, or failed.
        seconds: per completion the wall seconds it took.
        errors: per completion what went wrong, None where nothing did.
    """

    values: list[float | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)

    def add(self, value: float | None, seconds: float, error: str | None) -> None:
        """Take down one completion's result."""
        self.values.append(value)
        self.seconds.append(seconds)
        self.errors.append(error)


def score(
    rewards: Sequence[Reward],
    prompts: Sequence[Any],
    completions: Sequence[Any],
    columns: Mapping[str, Sequence[Any]],
    completion_ids: Sequence[Sequence[int]] | None = None,
) -> dict[str, Scores]:
    """Score completions with every reward.

    Args:
        rewards: built rewards.
        prompts: N prompts, texts or messages.
        completions: N completions, likewise.
        columns: the rows' other columns, N values each.
        completion_ids: N lists of token ids, for rewards that take them.

    Returns:
        The scores by reward, N results each.
    """
    found = {}
    for reward in rewards:
        scores = Scores()
        calls = [
            (
                [prompts[i]],
                [completions[i]],
                None if completion_ids is None else [completion_ids[i]],
                {name: [values[i]] for name, values in columns.items()},
            )
            for i in range(len(completions))
        ]
        if isinstance(reward, AsyncReward):
            for result in asyncio.run(_all_at_once(reward, calls)):
                scores.add(*result)
        else:
            for prompt, completion, ids, row in calls:
                scores.add(*_one(reward, prompt, completion, ids, row))
        found[reward.__name__] = scores
    return found


def _one(reward: Reward, prompt: Any, completion: Any, ids: Any, row: Any) -> tuple[float | None, float, str | None]:
    started = time.perf_counter()
    try:
        value, error = reward(prompt, completion, ids, **row)[0], None
    except (Exception, SystemExit) as failure:
        value, error = None, _reason(failure)
    return value, time.perf_counter() - started, error


async def _all_at_once(reward: AsyncReward, calls: Sequence[Any]) -> list[tuple[float | None, float, str | None]]:
    """An asynchronous reward on all completions together, as in training."""

    async def one(prompt: Any, completion: Any, ids: Any, row: Any) -> tuple[float | None, float, str | None]:
        started = time.perf_counter()
        try:
            value, error = (await reward(prompt, completion, ids, **row))[0], None
        except (Exception, SystemExit) as failure:
            value, error = None, _reason(failure)
        return value, time.perf_counter() - started, error

    return list(await asyncio.gather(*(one(*call) for call in calls)))


def _reason(failure: BaseException) -> str:
    """What a reward raised, without the sentence that the trainer puts around it."""
    cause = failure.__cause__ if isinstance(failure, RunError) and failure.__cause__ else failure
    if isinstance(cause, RunError):
        return str(cause).split(" for completion ")[0]
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text[:200]}" if text else type(cause).__name__
