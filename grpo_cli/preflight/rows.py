"""How many prompts a `dataset` section gives, told without loading them: built-in sets, and small local files."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.data.builtin.addition import addition
from grpo_cli.data.check import DEFAULTS, required_data_files
from grpo_cli.data.files import locate
from grpo_cli.data.readers import read_rows
from grpo_cli.errors import ConfigError

_COUNTED_UP_TO = 8_000_000  # bytes of files; more is left to the worker and to the data part of grpo-check
_AUTO_SHARE, _AUTO_MOST = 0.1, 500  # what test_size=auto holds out (grpo_cli.data.splits, which is heavy)
_ADDITION_PROMPT, _ZEN_PROMPT = 32, 64  # tokens, the embedded model's chat template included
_ADDITION, _ZEN = "grpo_cli.data.builtin.addition:addition", "grpo_cli.data.builtin.zen:zen"


@dataclass(frozen=True)
class Rows:
    """Numbers of prompts; filters and duplicates may leave fewer.

    Attributes:
        train: to train on, at most.
        test: held out, at most.
        longest: tokens of the longest prompt, of the built-in sets only.
    """

    train: int
    test: int
    longest: int | None = None


def known_rows(dataset: Mapping[str, Any]) -> Rows | None:
    """Count the prompts of a `dataset` section.

    Args:
        dataset: the section.

    Returns:
        The numbers, or None where they cannot be told without loading: hub ids, mixtures, streams, generators of the
        user's own, Parquet, files above 8 MB.
    """
    whole = {**DEFAULTS, **dataset}
    if whole["streaming"] or whole["mixture"] or required_data_files(dataset):
        return None
    try:
        found = _split_sizes(whole)
    except (ConfigError, OSError, UnicodeDecodeError, ValueError):
        return None  # the worker says what is wrong there
    if found is None:
        return None
    train, test = found
    if test is None:
        test = _held_out(whole["test_size"], train)
        train -= test
    limit, test_limit = whole["limit"], whole["test_limit"]
    longest = {_ADDITION: _ADDITION_PROMPT, _ZEN: _ZEN_PROMPT}.get(str(whole["generator"]))
    return Rows(min(train, limit) if limit else train, min(test, test_limit) if test_limit else test, longest)


def _split_sizes(whole: Mapping[str, Any]) -> tuple[int, int | None] | None:
    """Rows of the training split, and of the held-out split where there is one of its own."""
    if whole["generator"] == _ADDITION:
        defaults = inspect.signature(addition).parameters
        given = whole["generator_kwargs"] or {}
        train, test = (given.get(name, defaults[name].default) for name in ("num_train", "num_test"))
        return (train, test) if isinstance(train, int) and isinstance(test, int) else None
    if whole["generator"] == _ZEN:
        return 17, 2
    if whole["generator"] or not whole["path"] or "[" in str(whole["train_split"]):
        return None
    source = locate(whole)
    if source.kind != "files" or sum(file.stat().st_size for file, _ in source.files) > _COUNTED_UP_TO:
        return None
    sizes = {split: _count(files, whole) for split, files in source.splits.items()}
    wanted = whole["train_split"] if whole["train_split"] in sizes else next(iter(sizes))
    train_rows = sizes[wanted]
    if train_rows is None:
        return None
    if whole["test_path"]:
        apart = locate(whole, path_key="test_path")
        return train_rows, _count(apart.files, whole) if apart.kind == "files" else 0
    names = ("test", "validation") if whole["test_split"] == "auto" else (whole["test_split"],)
    held = next((sizes[name] for name in names if name in sizes and name != wanted), None)
    return train_rows, held


def _count(files: list[tuple[Path, str]], whole: Mapping[str, Any]) -> int | None:
    total = 0
    for file, kind in files:
        if kind == "parquet":
            return None
        if kind == "jsonl" and not file.name.endswith(".gz"):
            total += sum(1 for line in file.read_bytes().splitlines() if line.strip())
        else:
            total += sum(1 for _ in read_rows(file, kind, delimiter=whole["delimiter"], json_field=whole["json_field"]))
    return total


def _held_out(size: Any, rows: int) -> int:
    """How many rows of the training split are held out (`grpo_cli.data.splits.hold_out`)."""
    if size == "auto":
        return min(_AUTO_MOST, max(1, round(_AUTO_SHARE * rows))) if rows > 1 else 0
    if isinstance(size, float) and 0 < size < 1:
        return max(1, round(size * rows))
    return min(int(size), rows)
