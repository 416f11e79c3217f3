"""Weighted mixtures: several sources become one training set and one held-out set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import datasets
import numpy as np
from datasets import Dataset, Features, IterableDataset, Value

from grpo_cli.data.sources import AnyDataset
from grpo_cli.errors import ConfigError


def label(rows: AnyDataset, name: str) -> tuple[AnyDataset, str | None]:
    """Add the `source` column; a column of the data's own with that name becomes `data_source`."""
    note = None
    columns = rows.column_names or list(next(iter(rows.take(1))))
    if "source" in columns:
        rows = rows.rename_column("source", "data_source")
        note = f"column 'source' of '{name}' is called 'data_source' here: 'source' names the row's source"
    if isinstance(rows, Dataset):
        return rows.add_column("source", [name] * len(rows)), note
    return rows.map(lambda batch: {"source": [name] * len(batch["prompt"])}, batched=True), note


def mix(parts: dict[str, AnyDataset], weights: dict[str, float], *, seed: int, stopping: str) -> AnyDataset:
    """Interleave training sets, drawing each row's source by weight.

    Args:
        parts: prepared, labelled rows by source.
        weights: by source, in any unit.
        seed: of the draws.
        stopping: `interleave_datasets`' stopping strategy.

    Returns:
        One data set; a stream as soon as one part is a stream.
    """
    total = sum(weights.values())
    odds = [weights[name] / total for name in parts]
    rows: list[Any] = list(parts.values())
    if all(isinstance(part, Dataset) for part in rows):
        return datasets.interleave_datasets(rows, probabilities=odds, seed=seed, stopping_strategy=stopping)

    # interleave_datasets would fix every column's type by a stream's first rows, and fail on a later one.
    def draw() -> Iterator[dict[str, Any]]:
        return draw_rows(rows, odds, seed=seed, stopping=stopping)

    return IterableDataset.from_generator(draw)


def draw_rows(
    parts: Sequence[Iterable[dict[str, Any]]], odds: Sequence[float], *, seed: int, stopping: str
) -> Iterator[dict[str, Any]]:
    """Draw rows from several streams by weight.

    Args:
        parts: what to draw from; each can be iterated over again.
        odds: of each part, summing to 1.
        seed: of the draws.
        stopping: "first_exhausted", "all_exhausted" (ended parts start again until every one has ended) or
            "all_exhausted_without_replacement" (ended parts are left out).

    Yields:
        Rows.
    """
    rng = np.random.default_rng(seed)
    chances = np.asarray(odds, dtype=np.float64)
    streams = [iter(part) for part in parts]
    ended = [False] * len(parts)
    while True:
        chosen = int(rng.choice(len(parts), p=chances / chances.sum()))
        row = next(streams[chosen], None)
        if row is None:
            ended[chosen] = True
            if stopping == "first_exhausted" or all(ended):
                return
            if stopping == "all_exhausted":
                streams[chosen] = iter(parts[chosen])
            else:
                chances[chosen] = 0.0
            continue
        yield row


def align(parts: dict[str, Dataset]) -> tuple[dict[str, Dataset], list[str]]:
    """Give a column the same type in every part, so that they can be put together.

    Args:
        parts: prepared rows by source.

    Returns:
        The parts, and a note per column that had to become text.

    Raises:
        ConfigError: prompts are messages in one part and text in another.
    """
    seen: dict[str, dict[str, Any]] = {}
    for name, part in parts.items():
        for column, feature in part.features.items():
            if feature != Value("null"):
                seen.setdefault(column, {})[name] = feature
    notes = []
    for column, features in seen.items():
        if all(feature == next(iter(features.values())) for feature in features.values()):
            continue
        if column == "prompt":
            _same_prompts(parts, features)
        elif not all(isinstance(f, Value) for f in features.values()):
            kinds = ", ".join(f"{f} in '{n}'" for n, f in features.items())
            raise ConfigError(
                f"column '{column}' has different types in the mixture ({kinds}): rename it in one source's columns"
            )
        else:
            notes.append(f"column '{column}' is text in the whole mixture, for its types differ between sources")
            for name in features:
                parts[name] = parts[name].cast_column(column, Value("string"))
    return parts, notes


def _same_prompts(parts: dict[str, Dataset], features: dict[str, Any]) -> None:
    texts = [name for name, feature in features.items() if isinstance(feature, Value)]
    if texts:
        chats = [name for name in features if name not in texts]
        raise ConfigError(
            f"prompts are plain text in '{texts[0]}' and messages in '{chats[0]}': set conversational alike for both"
        )
    # Messages with further keys (tool calls, names) in one part only: keep them as JSON in all.
    for name in features:
        parts[name] = _as_json(parts[name])


def _as_json(rows: Dataset) -> Dataset:
    prompts = Dataset.from_dict({"prompt": rows["prompt"][:]}, features=Features({"prompt": datasets.Json()}))
    return datasets.concatenate_datasets([prompts, rows.remove_columns("prompt")], axis=1)
