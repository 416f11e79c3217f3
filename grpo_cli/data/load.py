"""From the `dataset` config to training and held-out rows: open, prepare, split, mix, limit, fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import datasets
from datasets import Dataset, IterableDataset

from grpo_cli.data.check import DEFAULTS, required_data_files, sources_of
from grpo_cli.data.fingerprint import fingerprint
from grpo_cli.data.mixture import align, label, mix
from grpo_cli.data.prepare import prepare, prepare_stream
from grpo_cli.data.sources import AnyDataset, open_source, rows_to_dataset
from grpo_cli.data.splits import AUTO_MOST, choose, hold_out, prompt_key, prompt_keys, sample
from grpo_cli.errors import ConfigError


@dataclass
class Data:
    """What a run trains on and is measured on.

    Attributes:
        train: rows with "prompt" and every other column (they reach the rewards); a stream when `streaming`.
        test: held-out rows, or None.
        info: numbers of rows before and after each filter by source, fingerprints, `notes` for the user.
    """

    train: AnyDataset
    test: Dataset | None
    info: dict[str, Any] = field(default_factory=dict)


def load_data(cfg_dataset: Mapping[str, Any], *, tokenizer: Any, seed: int) -> Data:
    """Load, prepare and split the data of a run.

    The result depends on data, config and seed only, so every rank gets the same rows in the same order.

    Args:
        cfg_dataset: the `dataset` node (missing keys take their defaults).
        tokenizer: the model's; decides on chat prompts and measures lengths (None: plain text, no filters).
        seed: of the held-out choice, the sample, the mixture and the stream's shuffling.

    Returns:
        The data.

    Raises:
        ConfigError: the config or the data does not fit; one sentence per problem.
    """
    problems = required_data_files(cfg_dataset)
    if problems:
        raise ConfigError(*problems)
    sources = sources_of(cfg_dataset)
    whole = {**DEFAULTS, **cfg_dataset}
    mixed = bool(whole["mixture"])
    info: dict[str, Any] = {"sources": {}, "notes": []}
    trains: dict[str, AnyDataset] = {}
    tests: dict[str, Dataset] = {}
    for name, key, cfg in sources:
        train, test, account = _load_source(cfg, key, tokenizer, seed, info["notes"])
        info["sources"][name] = account
        trains[name] = _labelled(train, name, info["notes"]) if mixed else train
        if test is not None:
            tests[name] = _labelled(test, name, []) if mixed else test
    train, test = _together(trains, tests, sources, whole, seed, info["notes"])
    if test is not None:
        test = sample(test, whole["test_limit"], seed)
        if mixed or "held_out" not in info["sources"]["dataset"] or isinstance(train, IterableDataset):
            train = _apart(train, test, whole["overlap"], info)  # rows held out of one set are apart already
    info["columns"] = list(train.column_names or next(iter(train.take(1)), {}))
    if not info["columns"]:
        raise ConfigError(
            "no row of the stream is left to train on: the held-out share took them all (lower dataset.test_size), "
            "or dataset.max_prompt_tokens or dataset.overlap dropped them"
        )
    if isinstance(train, IterableDataset):
        if whole["limit"]:
            train = train.take(whole["limit"])
        if whole["shuffle_buffer"]:
            train = train.shuffle(seed=seed, buffer_size=whole["shuffle_buffer"])
        info["train"] = {"rows": None, "fingerprint": None}
    else:
        train = sample(train, whole["limit"], seed)
        info["train"] = {"rows": len(train), "fingerprint": fingerprint(train)}
        if mixed:
            drawn = train["source"][:]
            info["train"]["by_source"] = {name: drawn.count(name) for name in trains}
    info["test"] = {"rows": len(test), "fingerprint": fingerprint(test)} if test is not None else None
    info["conversational"] = any(account["conversational"] for account in info["sources"].values())
    return Data(train, test, info)


def _load_source(
    cfg: dict[str, Any], key: str, tokenizer: Any, seed: int, notes: list[str]
) -> tuple[AnyDataset, Dataset | None, dict[str, Any]]:
    """One source's training rows, held-out rows and account."""
    path = cfg["path"] or cfg["generator"]
    where = path if isinstance(path, str) else ", ".join(path)
    train_rows, test_rows, test_name = choose(open_source(cfg, key, seed), cfg, key)
    test_where = f"{where} ({test_name})"
    if cfg["test_path"]:
        test_rows = _only(open_source(cfg, key, seed, "test_path"), key)
        test_where = str(cfg["test_path"])
    account: dict[str, Any] = {"from": where}
    test: Dataset | None = None
    if test_rows is not None:
        if isinstance(test_rows, IterableDataset):
            test_rows = _first(test_rows, cfg["test_limit"] or AUTO_MOST)
        test, account["test"], extra = prepare(test_rows, cfg, key=key, where=test_where, tokenizer=tokenizer)
        notes += extra
    if isinstance(train_rows, IterableDataset):
        train, chat, extra = prepare_stream(train_rows, cfg, key=key, where=where, tokenizer=tokenizer)
        notes += extra
        account |= {"streamed": True, "conversational": chat}
        size = cfg["test_limit"] or AUTO_MOST if cfg["test_size"] == "auto" else int(cfg["test_size"])
        if test is None and size:
            # A stream has no end to draw from: its first rows are held out, and training starts behind them.
            test = rows_to_dataset(list(train.take(size)))
            train = train.skip(size)
            account["held_out"] = len(test)
        if key != "dataset" and cfg["limit"]:
            train = train.take(cfg["limit"])
        return train, test, account
    train, account["train"], extra = prepare(train_rows, cfg, key=key, where=where, tokenizer=tokenizer)
    notes += [note for note in extra if note not in notes]
    account["conversational"] = account["train"]["conversational"]
    if test is None:
        train, test, note = hold_out(train, cfg["test_size"], seed, key)
        account["held_out"] = len(test) if test is not None else 0
        notes += [note] if note else []
    elif account["test"]["conversational"] != account["conversational"]:
        raise ConfigError(
            f"{where}: prompts are messages in one split and plain text in the other: set {key}.conversational"
        )
    if key != "dataset":
        train = sample(train, cfg["limit"], seed)
        test = sample(test, cfg["test_limit"], seed) if test is not None else None
    return train, test, account


def _only(splits: dict[str, AnyDataset], key: str) -> AnyDataset:
    if len(splits) == 1:
        return next(iter(splits.values()))
    for name in ("test", "validation"):
        if name in splits:
            return splits[name]
    raise ConfigError(f"{key}.test_path holds several splits ({', '.join(splits)}), none called test")


def _first(rows: IterableDataset, count: int) -> Dataset:
    return rows_to_dataset(list(rows.take(count)))


def _labelled(rows: Any, name: str, notes: list[str]) -> Any:
    rows, note = label(rows, name)
    notes += [note] if note else []
    return rows


def _together(
    trains: dict[str, AnyDataset],
    tests: dict[str, Dataset],
    sources: Any,
    whole: Mapping[str, Any],
    seed: int,
    notes: list[str],
) -> tuple[AnyDataset, Dataset | None]:
    """Mix the training sets and put the held-out sets behind one another."""
    if len(trains) == 1:
        return next(iter(trains.values())), next(iter(tests.values()), None)
    fixed = {name: rows for name, rows in trains.items() if isinstance(rows, Dataset)}
    aligned, extra = align(fixed)
    tests, more = align(tests)
    notes += dict.fromkeys(extra + more)
    weights = {name: float(cfg["weight"]) for name, _, cfg in sources}
    train = mix({**trains, **aligned}, weights, seed=seed, stopping=whole["mixture_stopping"])
    return train, datasets.concatenate_datasets(list(tests.values())) if tests else None


def _apart(train: AnyDataset, test: Dataset, overlap: str, info: dict[str, Any]) -> AnyDataset:
    """Keep held-out prompts out of the training rows."""
    if overlap == "keep":
        return train
    held = set(prompt_keys(test))
    fix = "take them out, or set dataset.overlap=drop"
    if isinstance(train, IterableDataset):

        def fresh(row: dict[str, Any]) -> bool:
            known = prompt_key(row["prompt"]) in held
            if known and overlap == "error":
                raise ConfigError(f"a training prompt is in the held-out set as well: {fix}")
            return not known

        return train.filter(fresh)
    keep = [i for i, key in enumerate(prompt_keys(train)) if key not in held]
    gone = len(train) - len(keep)
    if not gone:
        return train
    if overlap == "error":
        raise ConfigError(f"{gone} of {len(train)} training rows have a prompt that is in the held-out set: {fix}")
    if not keep:
        raise ConfigError(
            "every training prompt is in the held-out set as well: name other rows to hold out, or test_size"
        )
    info["dropped_held_out_prompts"] = gone
    info["notes"].append(f"{gone} of {len(train)} training rows are left out: their prompts are in the held-out set")
    return train.select(keep)
