"""One completion as a record: what was asked, what came back, what each reward said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def completion_records(
    *,
    step: int,
    prompts: list[Any],
    completions: list[Any],
    rewards: Mapping[str, Sequence[float | None]],
    weights: dict[str, float],
    group_size: int,
    facts: list[dict[str, Any]],
    advantages: list[float] | None = None,
    combined: Mapping[str, Sequence[float | None]] | None = None,
) -> list[dict[str, Any]]:
    """Lay out a batch of N completions as N records.

    Args:
        step: the optimizer step they were generated for (evaluation: after which).
        prompts: N prompts, text or messages.
        completions: N completions, text or messages.
        rewards: per reward its N scores; None or NaN where the reward abstained.
        weights: each reward's weight in the sum.
        group_size: G; completions i·G … i·G+G-1 answer the same prompt.
        facts: N dicts with `length` (tokens), `truncated` and `columns` (the row's other columns).
        advantages: N group-relative advantages; left out in evaluation.
        combined: per reward its N values after clipping, normalising and gating; None where nothing was changed.

    Returns:
        N records with step, group, sample, prompt, completion, reward (weighted sum over those that scored),
        rewards (as given), combined (where it is not the same), advantage, length, truncated, columns.
    """
    records = []
    for i, (prompt, completion, fact) in enumerate(zip(prompts, completions, facts, strict=True)):
        scores = {name: _number(values[i]) for name, values in rewards.items()}
        summed = scores if combined is None else {name: _number(values[i]) for name, values in combined.items()}
        scored = [weights[name] * score for name, score in summed.items() if score is not None]
        record = {
            "step": step,
            "group": i // group_size,
            "sample": i % group_size,
            "prompt": prompt,
            "completion": completion,
            "reward": sum(scored) if scored else None,
            "rewards": scores,
        }
        if combined is not None:
            record["combined"] = summed
        if advantages is not None:
            record["advantage"] = _number(advantages[i])
        records.append({**record, **fact})
    return records


def _number(value: float | None) -> float | None:
    """A score as JSON can hold it: abstentions are None whether they came as None or NaN."""
    return None if value is None or math.isnan(value) else float(value)
