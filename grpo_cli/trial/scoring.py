"""The one place where the trial calls rewards: under guard, so that none can hang it; every value, time and error.

A reward that raises, hangs or dies does not end the trial; what became of it is a result like any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.rewards.build import RewardContext
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.guarded import GuardedReward
from grpo_cli.rewards.guard.work import Outcome
from grpo_cli.rewards.reward import Reward


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
Result = tuple[float | None, float, str | None]


@contextlib.contextmanager
def scorer(
    rewards: Sequence[Reward],
    entries: Mapping[str, Mapping[str, Any]],
    *,
    context: RewardContext,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Score]:
    """Make what scores completions with every reward.

    A function of TRL's form gets all completions of a call, as in training; where it fails, neighbours with the same
    prompt, and then one at a time, to see which it fails on.

    Args:
        rewards: built rewards.
        entries: the `reward:` section they were built from.
        context: the facts they were built with.
        settings: the `guard` section.

    Yields:
        A function of N prompts, N completions, the rows' other columns (N values each) and, for rewards that take
        them, N lists of token ids; it gives `Scores` by reward.
    """
    # Every completion is to be timed, and every failure to be seen.
    limits = {name: {**entry, "cache": False, "on_error": "skip"} for name, entry in entries.items()}
    with Guard(rewards, limits, context=context, settings=settings) as guard:

        def score(
            prompts: Sequence[Any],
            completions: Sequence[Any],
            columns: Mapping[str, Sequence[Any]],
            completion_ids: Sequence[Sequence[int]] | None = None,
        ) -> dict[str, Scores]:
            batch = _Batch(prompts, completions, columns, completion_ids)
            return {guarded.__name__: _scores(guarded, batch) for guarded in guard.rewards}

        yield score


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


def _scores(guarded: GuardedReward, batch: _Batch) -> Scores:
    everything = list(range(len(batch.completions)))
    if guarded.reward.signature.completion:
        results = [_result(outcome) for outcome in _outcomes(guarded, batch, everything)]
    else:
        results = _together(guarded, batch, everything)
    return Scores(*(list(column) for column in zip(*results, strict=True)))


def _together(guarded: GuardedReward, batch: _Batch, part: Sequence[int]) -> list[Result]:
    """One call of a function of TRL's form; where it fails, smaller ones."""
    (outcome,) = _outcomes(guarded, batch, part)
    if outcome.values is not None:
        return [(value, outcome.seconds / len(part), None) for value in outcome.values]
    if len(part) == 1:
        return [_result(outcome)]
    groups = _neighbours(batch, part)
    smaller = groups if len(groups) > 1 else [[i] for i in part]
    return [result for one in smaller for result in _together(guarded, batch, one)]


def _outcomes(guarded: GuardedReward, batch: _Batch, part: Sequence[int]) -> list[Outcome]:
    prompts, completions, ids, columns = batch.take(part)
    outcomes: list[Outcome] = guarded.outcomes(prompts, completions, ids, **columns)
    return outcomes


def _result(outcome: Outcome) -> Result:
    if outcome.values is not None:
        return outcome.values[0], outcome.seconds, None
    return None, outcome.seconds, " ".join(outcome.what.split()).removeprefix("failed with ")[:200] or outcome.kind


def _neighbours(batch: _Batch, part: Sequence[int]) -> list[list[int]]:
    """Places of neighbours with the same prompt, together."""
    groups: list[list[int]] = []
    for i in part:
        if groups and batch.prompts[groups[-1][0]] == batch.prompts[i]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
