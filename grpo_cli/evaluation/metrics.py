"""Numbers out of completion records; pure, apart from generation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

CORRECT = 1.0


def metric_names(rewards: Iterable[str], correctness: Sequence[str]) -> list[str]:
    """The metrics an evaluation will report, known before the run.

    Args:
        rewards: names of all rewards.
        correctness: names of the rewards of which 1.0 means a right answer.
    """
    names = [f"eval/held_out/{name}" for name in rewards]
    accuracy = ["eval/held_out/accuracy"] if correctness else []
    return [*accuracy, "eval/held_out/reward", *names, "eval/held_out/completion_length", "eval/held_out/truncated"]


def summarise(records: list[dict[str, Any]], correctness: Sequence[str]) -> dict[str, float | None]:
    """Average an evaluation's completions.

    Args:
        records: N records of `completion_records`.
        correctness: rewards of which 1.0 means a right answer; a completion is right when all of them
            that scored say so.

    Returns:
        The metrics of `metric_names`; a metric nothing was scored for is None. Abstentions (None) count
        neither as right nor as wrong.
    """
    metrics: dict[str, float | None] = {}
    if correctness:
        verdicts = []
        for record in records:
            scores = [record["rewards"][name] for name in correctness]
            scores = [score for score in scores if score is not None]
            if scores:
                verdicts.append(float(all(score >= CORRECT for score in scores)))
        metrics["eval/held_out/accuracy"] = _mean(verdicts)
    metrics["eval/held_out/reward"] = _mean(record["reward"] for record in records)
    for name in records[0]["rewards"] if records else ():
        metrics[f"eval/held_out/{name}"] = _mean(record["rewards"][name] for record in records)
    metrics["eval/held_out/completion_length"] = _mean(record["length"] for record in records)
    metrics["eval/held_out/truncated"] = _mean(float(record["truncated"]) for record in records)
    return metrics


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is there, or None when nothing is."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
