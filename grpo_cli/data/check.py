"""What can be said about a `dataset` node before anything heavy is imported. Light: milliseconds, no network.

The composer calls `required_data_files` before it launches a worker, so that a mistyped file, column or
template field ends the command at once rather than after the model was loaded.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from grpo_cli.config.groups.dataset import DatasetConfig
from grpo_cli.config.suggest import meant_or_known
from grpo_cli.config.targets import check_target, unknown_arguments
from grpo_cli.data.columns import plan_columns
from grpo_cli.data.files import Source, locate
from grpo_cli.data.readers import read_rows
from grpo_cli.data.template import parse_template
from grpo_cli.errors import ConfigError

DEFAULTS: dict[str, Any] = dataclasses.asdict(DatasetConfig())
# What an entry of a mixture says for itself; everything else it takes from the node above.
_FOR_GENERATORS = ("task", "size", "seed")
_OWN = (
    *("path", "generator", "generator_kwargs", *_FOR_GENERATORS),
    *("mixture", "name", "revision", "data_files", "test_path"),
)
_OF_THE_WHOLE = ("mixture", "mixture_stopping", "shuffle_buffer", "overlap")
_READ_UP_TO = 8_000_000  # bytes of files that are read to their end
_JSON_DOCUMENT_LIMIT = 4_000_000  # bytes: a JSON document has to be read whole to see its first row


def sources_of(cfg: Mapping[str, Any], key: str = "dataset") -> list[tuple[str, str, dict[str, Any]]]:
    """List the sources of a `dataset` node with every key set.

    Args:
        cfg: the node.
        key: where it stands in the config, for messages.

    Returns:
        (name, config node for messages, complete config) for each source; a plain data set is the one
        source "dataset".

    Raises:
        ConfigError: keys of a mixture's entry are unknown, or there is not exactly one kind of source.
    """
    whole = {**DEFAULTS, **{k: None if v == "???" else v for k, v in cfg.items()}}
    if not whole["mixture"]:
        _one_source(whole, key)
        return [("dataset", key, whole)]
    for key in ("path", "generator", "test_path", "name", "revision", "data_files"):
        if whole[key]:
            raise ConfigError(
                f"dataset.{key} and dataset.mixture exclude each other: write {key} into an entry of the mixture"
            )
    inherited = {k: v for k, v in whole.items() if k not in _OWN}
    inherited |= {"limit": None, "test_limit": None}  # those of the whole count the whole
    entries = []
    for name, own in whole["mixture"].items():
        key = f"dataset.mixture.{name}"
        own = {"path": own} if isinstance(own, str) else own
        if not isinstance(own, Mapping):
            raise ConfigError(f"{key} must hold the keys of a data set, such as {key}.path=rows.jsonl")
        allowed = [k for k in DEFAULTS if k not in _OF_THE_WHOLE] + ["weight"]
        for unknown in (k for k in own if k not in allowed):
            raise ConfigError(f"{key}.{unknown} is no key of a mixture's entry{meant_or_known(str(unknown), allowed)}")
        entry = {**DEFAULTS, **inherited, "weight": 1.0, **own}
        weight = entry["weight"]
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise ConfigError(f"{key}.weight={weight!r} must be a number above 0")
        _one_source(entry, key)
        entries.append((str(name), key, entry))
    return entries


def _one_source(cfg: Mapping[str, Any], key: str) -> None:
    if cfg["path"] and cfg["generator"]:
        raise ConfigError(
            f"{key}.path and {key}.generator are both set, and rows come from one of them: set the other to null"
        )
    if not cfg["path"] and not cfg["generator"]:
        choice = "write dataset=<file, folder or hub id>, or dataset=<choice> (grpo-train --help lists them)"
        if key != "dataset":
            choice = f"set {key}.path to a hub id, file or folder, or {key}.generator to a function"
        raise ConfigError(f"{key} names no data: {choice}")


def generator_options(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments that a source's config gives its generator."""
    short = {name: cfg[name] for name in _FOR_GENERATORS if cfg[name] is not None}
    return {**(cfg["generator_kwargs"] or {}), **short}


def required_data_files(cfg: Mapping[str, Any], key: str = "dataset") -> list[str]:
    """Check a `dataset` node as far as that takes no heavy import and no network.

    Args:
        cfg: the node (missing keys take their defaults).
        key: where it stands in the config, for messages.

    Returns:
        One sentence per problem; empty when nothing wrong is to be seen.
    """
    try:
        sources = sources_of(cfg, key)
    except ConfigError as error:
        return list(error.problems)
    problems: list[str] = []
    for _, at, source in sources:
        try:
            problems += _values(source, at)
            problems += _source(source, at)
        except ConfigError as error:
            problems += [p if p.startswith(at) else f"{at}: {p}" for p in error.problems]
    return list(dict.fromkeys(problems))


def _values(cfg: Mapping[str, Any], key: str) -> list[str]:
    problems = []
    size = cfg["test_size"]
    if size != "auto" and (
        isinstance(size, bool) or not isinstance(size, int | float) or size < 0 or (size >= 1 and size % 1)
    ):
        problems.append(
            f"{key}.test_size={size!r} must be auto, a share below 1, or a whole number of rows (0 for none)"
        )
    elif cfg["streaming"] and isinstance(size, float) and 0 < size < 1:
        problems.append(
            f"{key}.test_size={size} is a share, and a stream's length is not known: write a number of rows"
        )
    for name in ("limit", "test_limit", "min_prompt_tokens", "max_prompt_tokens"):
        value = cfg[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            problems.append(f"{key}.{name}={value!r} must be a whole number above 0, or null for none")
    low, high = cfg["min_prompt_tokens"], cfg["max_prompt_tokens"]
    if not problems and low and high and low > high:
        problems.append(f"{key}.min_prompt_tokens={low} is above {key}.max_prompt_tokens={high}: no prompt can be left")
    if cfg["test_split"] and cfg["test_split"] == cfg["train_split"] and not cfg["test_path"]:
        problems.append(
            f"{key}.train_split and {key}.test_split are both '{cfg['train_split']}': "
            f"set {key}.test_split=null to hold rows of it out"
        )
    if cfg["answer_pattern"] is not None:
        try:
            re.compile(cfg["answer_pattern"])
        except re.error as error:
            problems.append(f"{key}.answer_pattern is no regular expression: {error}")
    return problems


def _source(cfg: Mapping[str, Any], key: str) -> list[str]:
    fields = None
    if cfg["prompt_template"] is not None:
        fields = parse_template(cfg["prompt_template"], f"{key}.prompt_template").fields
    if cfg["generator"]:
        if problem := check_target(cfg["generator"]):
            return [f"{key}.generator: {problem}"]
        options = generator_options(cfg)
        given = cfg["generator_kwargs"] or {}
        return [
            *unknown_arguments(f"{key}.generator_kwargs", cfg["generator"], given),
            *unknown_arguments(key, cfg["generator"], {k: v for k, v in options.items() if k not in given}),
        ]
    problems: list[str] = [
        f"{key}.{name} is for rows from a generator, and these come from {key}.path: leave it out"
        for name in _FOR_GENERATORS
        if cfg[name] is not None
    ]
    for path_key in ("path", "test_path"):
        if not cfg[path_key]:
            continue
        found = locate(cfg, key, path_key)
        for name, columns in _first_columns(found, cfg):
            try:
                plan = plan_columns(
                    columns,
                    cfg["columns"],
                    fields=fields or (),
                    has_template=fields is not None,
                    key=key,
                    where=name,
                )
            except ConfigError as error:
                problems += error.problems
                continue
            if cfg["answer_pattern"] and "answer" not in plan.names:
                problems.append(no_answer_column(key, name, columns))
    return problems


def columns_here(cfg: Mapping[str, Any], also: Collection[str] = (), key: str = "dataset") -> list[str] | None:
    """The columns that the rows of a `dataset` node will have, where that takes no heavy import and no network.

    Args:
        cfg: the node (missing keys take their defaults).
        also: columns worth reading a small file to its end for, since a line of JSON may hold keys of its own.
        key: where it stands in the config, for messages.

    Returns:
        The columns under our names; None where they cannot be told: hub ids, generators, Parquet, what is wrong, or
        larger files in which only later rows could have all of `also`.
    """
    columns: dict[str, None] = {}
    try:
        for _, at, source in sources_of(cfg, key):
            if source["generator"]:
                return None
            template = source["prompt_template"]
            fields = None if template is None else parse_template(template, f"{at}.prompt_template").fields
            for path_key in ("path", "test_path"):
                if not source[path_key]:
                    continue
                found = locate(source, at, path_key)
                if not found.files or any(kind == "parquet" for _, kind in found.files):
                    return None
                theirs = [name for _, names in _first_columns(found, source) for name in names]
                if any(source["columns"].get(ours, ours) not in theirs for ours in also):
                    if sum(file.stat().st_size for file, _ in found.files) > _READ_UP_TO:
                        return None
                    theirs = [name for file, kind in found.files for name in _all_columns(file, kind, source)]
                unique = list(dict.fromkeys(theirs))
                plan = plan_columns(unique, source["columns"], fields=fields or (), has_template=fields is not None)
                columns.update(dict.fromkeys(plan.names))
    except (ConfigError, OSError):
        return None  # which is told by `required_data_files`, or by the worker
    return list(columns)


def _all_columns(file: Path, kind: str, cfg: Mapping[str, Any]) -> list[str]:
    rows = read_rows(file, kind, delimiter=cfg["delimiter"], json_field=cfg["json_field"])
    return list(dict.fromkeys(name for row in rows for name in row))


def no_answer_column(key: str, where: str, columns: list[str]) -> str:
    """Say that `answer_pattern` has nothing to work on."""
    return (
        f"{key}.answer_pattern needs an 'answer' column, which {where} does not have (columns: "
        f"{', '.join(columns)}): name the one to use with {key}.columns.answer=…"
    )


def _first_columns(source: Source, cfg: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The columns of the first row of each split that can be read cheaply."""
    seen = []
    for files in source.splits.values():
        file, kind = files[0]
        if kind == "parquet" or (kind == "json" and file.stat().st_size > _JSON_DOCUMENT_LIMIT):
            continue
        rows = read_rows(file, kind, delimiter=cfg["delimiter"], json_field=cfg["json_field"])
        row = next(rows, None)
        if row is None:
            raise ConfigError(f"{file} holds no rows")
        # A key that only later rows have is a column too; the whole file is looked at once it is loaded.
        columns = dict.fromkeys(row)
        for other in itertools.islice(rows, 20):
            columns.update(dict.fromkeys(other))
        seen.append((str(file), list(columns)))
    return seen
