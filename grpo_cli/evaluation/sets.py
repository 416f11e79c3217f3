"""The data sets of an evaluation: which rows, as prompts and tokens, ready to be asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from grpo_cli.config.evaluation import no_tag_column
from grpo_cli.config.suggest import nearest
from grpo_cli.data.evaluation_rows import load_rows
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.blocks import Request, Sampling, make_requests
from grpo_cli.evaluation.metrics import HELD_OUT
from grpo_cli.evaluation.summary import tag_text

MOST_TAG_VALUES = 100

Tokenize = Callable[[list[Any]], list[list[int]]]


@dataclass(frozen=True)
class EvaluationSet:
    """One data set.

    Attributes:
        name: as it stands in the metrics.
        rows: N rows, `prompt` and the columns the rewards need.
        requests: N × samples completions to generate.
    """

    name: str
    rows: list[dict[str, Any]]
    requests: list[Request]

    @property
    def columns(self) -> list[str]:
        """The columns every row has, without the prompt."""
        return [name for name in self.rows[0] if name != "prompt"]


def chosen_rows(available: int, limit: int | None, seed: int) -> list[int]:
    """Indices of the rows that are evaluated: all, or a sample that depends on nothing but the seed."""
    if limit is None or limit >= available:
        return list(range(available))
    return sorted(random.Random(seed).sample(range(available), limit))


def build_sets(
    settings: Mapping[str, Any],
    held_out: Dataset | None,
    *,
    tokenizer: Any,
    tokenize: Tokenize,
    sampling: Sampling,
    seed: int,
) -> list[EvaluationSet]:
    """Load the data sets of an evaluation.

    Args:
        settings: the `evaluation` section.
        held_out: the run's own held-out rows.
        tokenizer: of the model; decides whether prompts are messages.
        tokenize: from prompts to token ids, as training does it.
        sampling: how many answers, and the seed.
        seed: the run's, for data sets that are made up or sampled.

    Returns:
        The sets, the held-out rows first.

    Raises:
        ConfigError: a data set cannot be used, or no set has a tag's column.
    """
    loaded: dict[str, Dataset] = {}
    if settings["held_out"] and held_out is not None and len(held_out):
        loaded[HELD_OUT] = held_out
    for name, entry in (settings["datasets"] or {}).items():
        loaded[str(name)] = load_rows(entry, f"evaluation.datasets.{name}", tokenizer=tokenizer, seed=seed)
    sets = []
    for name, rows in loaded.items():
        picked = rows.select(chosen_rows(len(rows), settings["limit"], settings["seed"]))
        plain = [picked[i] for i in range(len(picked))]
        prompts = [row["prompt"] for row in plain]
        sets.append(EvaluationSet(name, plain, make_requests(prompts, tokenize(prompts), sampling)))
    if problems := _tag_problems(sets, settings["tags"]):
        raise ConfigError(*problems)
    return sets


def _tag_problems(sets: Sequence[EvaluationSet], tags: Sequence[str]) -> list[str]:
    """Tags that no data set has, or that would split it to dust."""
    problems = []
    for tag in tags:
        having = [one for one in sets if tag in one.columns]
        if sets and not having:
            problems.append(no_tag_column(tag, (column for one in sets for column in one.columns)))
        for one in having:
            values = {str(row[tag]) for row in one.rows}
            if len(values) > MOST_TAG_VALUES:
                problems.append(
                    f"evaluation.tags: the column '{tag}' of {one.name} has {len(values)} values, and each would get "
                    f"metrics of its own; name one with {MOST_TAG_VALUES} at most."
                )
    return problems


def meant_by(metric: str, sets: Sequence[EvaluationSet]) -> str | None:
    """The metric that was meant by one of a tag's value that no row has.

    Values are known only once the rows are loaded: the rest of a name is checked before the run starts.

    Args:
        metric: a full name; without a tag (`eval/hard/accuracy`) there is nothing to look for.
        sets: the data sets.

    Returns:
        The nearest metric that is measured; None where the one that is asked for is.
    """
    _, _, rest = metric.partition("/")
    dataset, _, rest = rest.partition("/")
    tag, _, name = rest.rpartition("/")
    column, equals, value = tag.partition("=")
    found = [row[column] for one in sets if one.name == dataset for row in one.rows if row.get(column) is not None]
    values = sorted({tag_text(known) for known in found})
    if not equals or value in values or not values:
        return None
    return f"eval/{dataset}/{column}={nearest(value, values, 0.0) or values[0]}/{name}"
