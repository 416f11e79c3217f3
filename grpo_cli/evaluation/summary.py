"""From an evaluation's completions to its metrics, with intervals and the difference to the baseline.

Everything is per prompt first, then a mean over prompts: prompts are what the intervals draw again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grpo_cli.evaluation.answers import Reader
from grpo_cli.evaluation.estimators import best_at_k, maj_at_k, pass_at_k
from grpo_cli.evaluation.intervals import mean_intervals, paired_difference
from grpo_cli.evaluation.metrics import CORRECT, statistics

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Measures:
    """What is computed of an evaluation.

    Attributes:
        rewards: the rewards that scored, in order.
        correctness: those of which 1.0 means a right answer.
        k: of pass@k, maj@k and best@k.
        reader: reads the answer out of a completion; None without maj@k.
        tags: columns whose values split the metrics.
    """

    rewards: Sequence[str]
    correctness: Sequence[str] = ()
    k: Sequence[int] = ()
    reader: Reader | None = None
    tags: Sequence[str] = field(default_factory=tuple)

    @property
    def names(self) -> list[str]:
        """The metrics of one data set, without prefix."""
        votes = self.reader is not None
        return statistics(self.rewards, accuracy=bool(self.correctness), votes=votes, k=self.k)

    def is_share(self, name: str) -> bool:
        """Whether a metric lies between 0 and 1 by its nature."""
        return name in ("accuracy", "truncated") or name.startswith(("pass@", "maj@"))


@dataclass(frozen=True)
class PromptTable:
    """The metrics of one data set, prompt by prompt.

    Attributes:
        prompts: P prompt indices, ascending.
        values: [P, metrics] in the order of `Measures.names`; NaN where a prompt has no such value.
        tags: per tag column the P values as text; None where a row lacks it.
    """

    prompts: list[int]
    values: np.ndarray
    tags: dict[str, list[str | None]]

    def aligned(self, prompts: Sequence[int]) -> np.ndarray:
        """The values of these prompts; NaN for those that are not here."""
        place = {prompt: i for i, prompt in enumerate(self.prompts)}
        empty = np.full(self.values.shape[1], np.nan)
        return np.array([self.values[place[p]] if p in place else empty for p in prompts])


def prompt_table(records: Iterable[Record], measures: Measures) -> PromptTable:
    """Gather the completions of one data set by prompt and compute each prompt's metrics.

    Args:
        records: of `runs.completions`, in any order; `group` is the prompt's index.
        measures: what to compute.

    Returns:
        The table.
    """
    groups: dict[int, list[Record]] = {}
    for record in records:
        groups.setdefault(record["group"], []).append(record)
    prompts = sorted(groups)
    ordered = [sorted(groups[p], key=lambda r: r["sample"]) for p in prompts]
    values = np.array([_of_prompt(group, measures) for group in ordered], dtype=float)
    values = values.reshape(len(prompts), len(measures.names))
    tags = {tag: [_tag(group[0], tag) for group in ordered] for tag in measures.tags}
    return PromptTable(prompts, values, tags)


def summarise(
    table: PromptTable, measures: Measures, dataset: str, baseline: PromptTable | None = None
) -> dict[str, float | None]:
    """Average over prompts, for the whole data set and each value of each tag column.

    Args:
        table: of `prompt_table`.
        measures: what it holds.
        dataset: the data set's name.
        baseline: the same before training; the paired difference is to it.

    Returns:
        `eval/<dataset>/<metric>` with `_low`, `_high` and, with a baseline, `_gain`, `_gain_low`, `_gain_high`; None
        where nothing was scored. Abstentions count neither as right nor as wrong.
    """
    names, parts = measures.names, _parts(table, dataset)
    # One table for all parts, so that the prompts are drawn once.
    wide = np.concatenate([np.where(mask[:, None], table.values, np.nan) for mask in parts.values()], axis=1)
    shares = [measures.is_share(name) for name in names] * len(parts)
    found = dict(zip(("", "_low", "_high"), mean_intervals(wide, shares=shares), strict=True))
    if baseline is not None:
        before = np.tile(baseline.aligned(table.prompts), (1, len(parts)))
        gains = paired_difference(wide, before, shares=shares)
        found |= dict(zip(("_gain", "_gain_low", "_gain_high"), gains, strict=True))
    metrics: dict[str, float | None] = {}
    for place, (prefix, name) in enumerate((prefix, name) for prefix in parts for name in names):
        for ending, numbers in found.items():
            value = float(numbers[place])
            metrics[f"{prefix}/{name}{ending}"] = None if math.isnan(value) else value
    return metrics


def _parts(table: PromptTable, dataset: str) -> dict[str, np.ndarray]:
    """Prefix → which prompts count: the whole data set, then each value of each tag."""
    parts = {f"eval/{dataset}": np.ones(len(table.prompts), dtype=bool)}
    for column, values in table.tags.items():
        for value in sorted({value for value in values if value is not None}):
            parts[f"eval/{dataset}/{column}={value}"] = np.array([one == value for one in values])
    return parts


def _of_prompt(group: list[Record], measures: Measures) -> list[float]:
    """One prompt's metrics, in the order of `Measures.names`."""
    judged = [(record, v) for record in group if (v := verdict(record, measures.correctness)) is not None]
    right, rewards = [v for _, v in judged], _present(record["reward"] for record in group)
    answers: list[str | None] = []
    if measures.reader is not None and measures.k:
        answers = [measures.reader(text_of(record["completion"]), record.get("columns") or {}) for record, _ in judged]
    # The rewards first: where one is called like a metric of ours, the name is the metric's.
    found = {name: _mean(_present(record["rewards"].get(name) for record in group)) for name in measures.rewards}
    found |= {
        "accuracy": _mean(right),
        "reward": _mean(rewards),
        "completion_length": _mean([record["length"] for record in group]),
        "truncated": _mean([float(record["truncated"]) for record in group]),
    }
    for k in measures.k:
        enough = len(right) >= k
        found[f"pass@{k}"] = pass_at_k(len(right), int(sum(right)), k) if enough else math.nan
        found[f"maj@{k}"] = maj_at_k(answers, right, k) if enough and answers else math.nan
        found[f"best@{k}"] = best_at_k(rewards, k) if len(rewards) >= k else math.nan
    return [found[name] for name in measures.names]


def verdict(record: Record, correctness: Sequence[str]) -> float | None:
    """Whether a completion is right: all correctness rewards that scored say so; None where none scored."""
    scores = _present(record["rewards"].get(name) for name in correctness)
    return float(all(score >= CORRECT for score in scores)) if scores else None


def text_of(completion: Any) -> str:
    """A completion's text, whether it came as text or as messages."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    return content if isinstance(content, str) else ""


def _tag(record: Record, column: str) -> str | None:
    value = (record.get("columns") or {}).get(column)
    return None if value is None else tag_text(value)


def tag_text(value: object) -> str:
    """A tag's value as it stands in a metric's name."""
    return " ".join(str(value).replace("/", "_").split())


def _present(values: Iterable[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
