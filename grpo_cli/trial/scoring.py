"""The one place where the trial calls rewards: every completion's value, time and error.

A reward that raises does not end the trial; what it raised is a result like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.rewards.build import RewardContext
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


# (prompts, completions, columns, completion ids) → the scores by reward.
Score = Callable[[Sequence[Any], Sequence[Any], Mapping[str, Sequence[Any]], Sequence[Sequence[int]] | None], Any]


@contextlib.contextmanager
def scorer(
    rewards: Sequence[Reward],
    entries: Mapping[str, Mapping[str, Any]],
    *,
    context: RewardContext,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Score]:
    """Make what scores completions with every reward.

    A function of TRL's form gets neighbours with the same prompt together, since it may compare the completions of
    a group; any other gets one completion at a time.

    Args:
        rewards: built rewards.
        entries: the `reward:` section they were built from.
        context: the facts they were built with.
        settings: the `guard` section.

    Yields:
        A function of N prompts, N completions, the rows' other columns (N values each) and, for rewards that take
        them, N lists of token ids; it gives `Scores` by reward.
    """

    def score(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        columns: Mapping[str, Sequence[Any]],
        completion_ids: Sequence[Sequence[int]] | None = None,
    ) -> dict[str, Scores]:
        batch = _Batch(prompts, completions, columns, completion_ids)
        return {reward.__name__: _scores(reward, batch) for reward in rewards}

    yield score


def _scores(reward: Reward, batch: _Batch) -> Scores:
    parts = [[i] for i in range(len(batch.completions))] if reward.signature.completion else _neighbours(batch.prompts)
    if isinstance(reward, AsyncReward):
        results = asyncio.run(_all_at_once(reward, batch, parts))
    else:
        results = [result for part in parts for result in _called(reward, batch, part)]
    return Scores(*(list(column) for column in zip(*results, strict=True)))


def _neighbours(prompts: Sequence[Any]) -> list[list[int]]:
    """Places of neighbours with the same prompt, together."""
    groups: list[list[int]] = []
    for i, prompt in enumerate(prompts):
        if groups and prompts[groups[-1][0]] == prompt:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


@dataclass(frozen=True)
class _Batch:
    """Completions with all that belongs to them, from which parts are taken."""

    prompts: Sequence[Any]
    completions: Sequence[Any]
    columns: Mapping[str, Sequence[Any]]
    ids: Sequence[Sequence[int]] | None

    def take(self, part: Sequence[int]) -> tuple[list[Any], list[Any], list[Any] | None, dict[str, list[Any]]]:
        return (
            [self.prompts[i] for i in part],
            [self.completions[i] for i in part],
            None if self.ids is None else [self.ids[i] for i in part],
            {name: [values[i] for i in part] for name, values in self.columns.items()},
        )


Result = tuple[float | None, float, str | None]


def _called(reward: Reward, batch: _Batch, part: Sequence[int]) -> list[Result]:
    """One call; where it fails for several completions, one for each, to see which it is."""
    prompts, completions, ids, columns = batch.take(part)
    started = time.perf_counter()
    try:
        values = reward(prompts, completions, ids, **columns)
    except (Exception, SystemExit) as failure:
        if len(part) > 1:
            return [result for i in part for result in _called(reward, batch, [i])]
        return [(None, time.perf_counter() - started, _reason(failure))]
    seconds = (time.perf_counter() - started) / len(part)
    return [(value, seconds, None) for value in values]


async def _all_at_once(reward: AsyncReward, batch: _Batch, parts: Sequence[Sequence[int]]) -> list[Result]:
    """An asynchronous reward on all parts together, as in training."""

    async def one(part: Sequence[int]) -> list[Result]:
        prompts, completions, ids, columns = batch.take(part)
        started = time.perf_counter()
        try:
            values = await reward(prompts, completions, ids, **columns)
        except (Exception, SystemExit) as failure:
            if len(part) > 1:
                return [result for i in part for result in await one([i])]
            return [(None, time.perf_counter() - started, _reason(failure))]
        seconds = time.perf_counter() - started
        return [(value, seconds, None) for value in values]

    return [result for results in await asyncio.gather(*(one(part) for part in parts)) for result in results]


def _reason(failure: BaseException) -> str:
    """What a reward raised, without the sentence that the trainer puts around it."""
    cause = failure.__cause__ if isinstance(failure, RunError) and failure.__cause__ else failure
    if isinstance(cause, RunError):
        return str(cause).split(" for completion ")[0]
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text[:200]}" if text else type(cause).__name__
