"""The rows of a data set that is only evaluated on: its test split, or all of its one split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import Dataset, IterableDataset

from grpo_cli.data.check import DEFAULTS, required_data_files
from grpo_cli.data.prepare import prepare
from grpo_cli.data.sources import open_source, rows_to_dataset
from grpo_cli.data.splits import AUTO_MOST, choose, sample
from grpo_cli.errors import ConfigError


def load_rows(entry: Mapping[str, Any] | str, key: str, *, tokenizer: Any, seed: int) -> Dataset:
    """Load the rows of an entry of `evaluation.datasets`.

    Args:
        entry: the keys of the `dataset` section, or a path.
        key: where it stands in the config, for messages.
        tokenizer: of the model; decides on chat prompts and measures lengths.
        seed: of a generator and of a sample.

    Returns:
        Prepared rows: `prompt` and every other column.

    Raises:
        ConfigError: the entry or the data does not fit.
    """
    cfg = {**DEFAULTS, **({"path": entry} if isinstance(entry, str) else entry)}
    if problems := required_data_files(cfg, key):
        raise ConfigError(*problems)
    where = str(cfg["path"] or cfg["generator"])
    if cfg["test_path"]:
        splits = open_source(cfg, key, seed, "test_path")
        rows = splits.get("test", next(iter(splits.values())))
    else:
        train, test, _ = choose(open_source(cfg, key, seed), cfg, key)
        rows = train if test is None else test
    limit = cfg["test_limit"] or cfg["limit"]
    if isinstance(rows, IterableDataset):
        rows = rows_to_dataset(list(rows.take(limit or AUTO_MOST)))
    prepared, _, _ = prepare(rows, cfg, key=key, where=where, tokenizer=tokenizer)
    return sample(prepared, limit, seed)
