"""Prepare one split of one source: columns, prompts and answers as the trainer wants them, length filters.

Everything is computed in memory and in one pass. `Dataset.map` is not used: it would write cache files into
the folder of a data set that the user saved there, and infer a column's type from its first thousand rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
from datasets import Dataset, IterableDataset

from grpo_cli.data.lengths import context_of, longest_first, prompt_tokens
from grpo_cli.data.prompts import PromptBuilder
from grpo_cli.errors import ConfigError

_BATCH = 1000
_PEEK = 20  # rows of a stream looked at before training starts


def prepare(
    rows: Dataset, cfg: Mapping[str, Any], *, key: str, where: str, tokenizer: Any
) -> tuple[Dataset, dict[str, Any], list[str]]:
    """Prepare a split that is held in memory or on disk.

    Args:
        rows: in the source's own columns.
        cfg: the source's complete config node.
        key: where it stands in the config, for messages.
        where: the split's name for messages.
        tokenizer: measures prompts and decides whether they are conversational; may be None.

    Returns:
        The rows (column "prompt" and the others), what happened to them in numbers, and notes for the user.

    Raises:
        ConfigError: a value does not fit (with its row number), or no row is left.
    """
    if len(rows) == 0:
        raise ConfigError(f"{where} holds no rows")
    if rows._indices is not None:
        rows = _in_memory(rows)
    rows = rows.with_format(None)
    builder = PromptBuilder(cfg, key, where, rows.column_names, tokenizer)
    _refuse_images(rows, where)
    prompts: list[Any] = []
    answers: list[Any] = []
    keep: list[int] = []
    needed = rows.select_columns(builder.reads) if builder.reads else rows
    for start in range(0, len(rows), _BATCH):
        batch = needed[start : start + _BATCH]
        built = builder.build(batch, start + 1)
        prompts += built.prompts
        answers += built.answers or []
        keep += [start + i for i in built.keep]
    info: dict[str, Any] = {"rows": len(rows)}
    if len(keep) < len(rows):
        info["dropped_without_answer"] = len(rows) - len(keep)
        if not keep:
            raise ConfigError(f"no row of {where} has an answer: see {key}.columns.answer and {key}.answer_pattern")
    stay = _by_length(prompts, cfg, info, key=key, where=where, tokenizer=tokenizer)
    info["kept"] = len(stay)
    info["conversational"] = bool(builder.conversational)

    made: dict[str, list[Any]] = {"prompt": [prompts[i] for i in stay]}
    if "answer" in builder.names and builder.pattern is not None:
        made["answer"] = [answers[i] for i in stay]
    if len(stay) < len(rows):
        rows = _in_memory(rows.select([keep[i] for i in stay]))
    others = _renamed(rows, {ours: theirs for ours, theirs in builder.names.items() if ours not in made})
    columns = Dataset.from_dict(made, on_mixed_types="use_json")
    return (
        (datasets.concatenate_datasets([columns, others], axis=1) if others else columns),
        info,
        builder.notes,
    )


def prepare_stream(
    rows: IterableDataset, cfg: Mapping[str, Any], *, key: str, where: str, tokenizer: Any
) -> tuple[IterableDataset, bool, list[str]]:
    """Prepare a stream; rows are built, checked and filtered as training asks for them.

    Args:
        rows: in the source's own columns.
        cfg: the source's complete config node.
        key: where it stands in the config, for messages.
        where: the split's name for messages.
        tokenizer: as for `prepare`.

    Returns:
        The stream, whether its prompts are conversational, and notes for the user.

    Raises:
        ConfigError: the first row does not fit; later rows raise it while training.
    """
    first = list(rows.take(_PEEK))
    if not first:
        raise ConfigError(f"{where} holds no rows")
    columns = list(rows.column_names or dict.fromkeys(name for row in first for name in row))
    builder = PromptBuilder(cfg, key, where, columns, tokenizer)
    # Settles the kind of prompts, and finds what does not fit, before training starts.
    builder.build({name: [row.get(name) for row in first] for name in columns}, 1)
    low, high = cfg["min_prompt_tokens"], cfg["max_prompt_tokens"]

    def convert(batch: dict[str, list[Any]], indices: Sequence[int]) -> dict[str, list[Any]]:
        built = builder.build(batch, indices[0] + 1)
        keep = list(range(len(built.prompts)))
        if built.prompts and tokenizer is not None and (low or high):
            counts = prompt_tokens(built.prompts, tokenizer)
            keep = [i for i in keep if (not low or counts[i] >= low) and (not high or counts[i] <= high)]
        out = {"prompt": [built.prompts[i] for i in keep]}
        if built.answers is not None:
            out["answer"] = [built.answers[i] for i in keep]
        for ours, theirs in builder.names.items():
            if ours not in out:
                out[ours] = [batch[theirs][built.keep[i]] for i in keep]
        return out

    stream = rows.map(convert, batched=True, batch_size=100, with_indices=True, remove_columns=columns)
    return stream, bool(builder.conversational), builder.notes


def _by_length(
    prompts: list[Any], cfg: Mapping[str, Any], info: dict[str, Any], *, key: str, where: str, tokenizer: Any
) -> list[int]:
    """The places of the prompts that the length filters let pass; lengths go into `info`."""
    stay = list(range(len(prompts)))
    low, high = cfg["min_prompt_tokens"], cfg["max_prompt_tokens"]
    if tokenizer is None:
        if low or high:
            raise ConfigError(f"{key}.min_prompt_tokens and {key}.max_prompt_tokens need a tokenizer")
        return stay
    if low or high:
        counts = prompt_tokens(prompts, tokenizer)
        short, long = counts < (low or 0), counts > (high or counts.max())
        info["dropped_too_short"], info["dropped_too_long"] = int(short.sum()), int(long.sum())
        stay = [int(i) for i in np.flatnonzero(~(short | long))]
        if not stay:
            limits = {"min_prompt_tokens": low, "max_prompt_tokens": high}
            set_ones = " and ".join(f"{key}.{name}={value}" for name, value in limits.items() if value)
            raise ConfigError(
                f"no row of {where} is left: its {len(prompts)} prompts have {counts.min()} to "
                f"{counts.max()} tokens, which {set_ones} drops; change the limit or the data"
            )
        counts = counts[stay]
    else:
        counts = prompt_tokens([prompts[i] for i in longest_first(prompts)], tokenizer)
    info["prompt_tokens"] = {"max": int(counts.max())}
    if len(counts) == len(stay):
        info["prompt_tokens"] |= {"min": int(counts.min()), "median": float(np.median(counts))}
    context = context_of(tokenizer)
    if context is not None and counts.max() >= context:
        raise ConfigError(
            f"{where}: {int((counts >= context).sum())} prompts fill the model's context of {context} "
            f"tokens (the longest has "
            f"{counts.max()}): set {key}.max_prompt_tokens below {context}, leaving room for the completion"
        )
    return stay


def _in_memory(rows: Dataset) -> Dataset:
    """A selection as rows of its own, so that putting columns beside it writes no file."""
    table = datasets.table.InMemoryTable(rows.with_format("arrow")[:])
    return Dataset(table, info=datasets.DatasetInfo(features=rows.features))


def _renamed(rows: Dataset, names: dict[str, str]) -> Dataset | None:
    """The columns {ours: theirs} of a data set, types kept; None when there are none."""
    if not names:
        return None
    once: dict[str, str] = {}
    again: dict[str, str] = {}
    for ours, theirs in names.items():
        if theirs in once:
            again[ours] = theirs
        else:
            once[theirs] = ours
    result = rows.select_columns(list(once)).rename_columns(once)
    for ours, theirs in again.items():
        copy = rows.select_columns([theirs]).rename_columns({theirs: ours})
        result = datasets.concatenate_datasets([result, copy], axis=1)
    return result


def _refuse_images(rows: Dataset, where: str) -> None:
    media = (datasets.Image, datasets.Audio, datasets.Video)
    for name, feature in rows.features.items():
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, media):
            raise ConfigError(
                f"{where} has a column '{name}' of {type(inner).__name__.lower()} data: only text is "
                f"supported; "
                "leave the column out when you save the data"
            )
