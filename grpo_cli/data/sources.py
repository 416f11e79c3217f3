"""Open a source: from its config node to a `datasets` object per split, nothing renamed or dropped yet.

Small local files are read here (readers.py), into memory; `datasets` itself reads hub ids, folders laid out
for the hub, large files and streams, with its own cache for what it downloads.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import datasets
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from datasets.exceptions import DatasetNotFoundError

from grpo_cli.config.importer import import_target
from grpo_cli.config.suggest import meant_or_known
from grpo_cli.data.check import generator_options
from grpo_cli.data.files import Source, locate
from grpo_cli.data.readers import guess_delimiter, read_rows
from grpo_cli.errors import ConfigError

AnyDataset: TypeAlias = Dataset | IterableDataset
SMALL = 256_000_000  # bytes of local files up to which they are read into memory by readers.py


def open_source(cfg: Mapping[str, Any], key: str, seed: int, path_key: str = "path") -> dict[str, AnyDataset]:
    """Open what a source's config node names.

    Args:
        cfg: the complete node (check.py's `sources_of`).
        key: where the node stands in the config, for messages.
        seed: given to a generator that takes one.
        path_key: "path", or "test_path" for held-out rows that lie apart.

    Returns:
        The splits by name, in the source's own columns.

    Raises:
        ConfigError: nothing can be read there; the sentence says what and where.
    """
    if path_key == "path" and cfg["generator"]:
        return _generated(cfg, key, seed)
    source = locate(cfg, key, path_key)
    if source.kind == "files":
        return _from_files(source, cfg)
    if source.kind == "saved":
        return _saved(source.path, cfg["streaming"])
    return _from_hub(source, cfg, f"{key}.{path_key}")


def rows_to_dataset(rows: list[dict[str, Any]]) -> Dataset:
    """Build a data set from rows whose keys need not be the same; values of mixed types stay as they are.

    (`Dataset.from_list` takes its columns from the first row only.)
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Dataset.from_dict({name: [row.get(name) for row in rows] for name in names}, on_mixed_types="use_json")


def _from_files(source: Source, cfg: Mapping[str, Any]) -> dict[str, AnyDataset]:
    size = sum(file.stat().st_size for file, _ in source.files)
    read = _stream if cfg["streaming"] else _by_datasets if size > SMALL else _read
    return {split: read(files, cfg) for split, files in source.splits.items()}


def _read(files: list[tuple[Path, str]], cfg: Mapping[str, Any]) -> Dataset:
    tables = [_parquet(file) for file, kind in files if kind == "parquet"]
    options = {"delimiter": cfg["delimiter"], "json_field": cfg["json_field"]}
    rows = [row for file, kind in files if kind != "parquet" for row in read_rows(file, kind, **options)]
    if rows or not tables:
        tables.append(rows_to_dataset(rows))
    return tables[0] if len(tables) == 1 else datasets.concatenate_datasets(tables)


def _stream(files: list[tuple[Path, str]], cfg: Mapping[str, Any]) -> IterableDataset:
    def rows(files: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        for file, kind in files:
            if kind == "parquet":
                yield from datasets.load_dataset("parquet", data_files=file, split="train", streaming=True)
            else:
                yield from read_rows(Path(file), kind, delimiter=cfg["delimiter"], json_field=cfg["json_field"])

    return IterableDataset.from_generator(rows, gen_kwargs={"files": [(str(f), kind) for f, kind in files]})


def _parquet(file: Path) -> Dataset:
    import pyarrow
    import pyarrow.parquet

    try:
        # Not Dataset.from_parquet: it would copy the file into the Arrow cache first.
        table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowInvalid as error:
        raise ConfigError(f"{file} cannot be read as Parquet: {error}") from error
    return Dataset(datasets.table.InMemoryTable(table))


def _by_datasets(files: list[tuple[Path, str]], cfg: Mapping[str, Any]) -> AnyDataset:
    parts = []
    for kind in dict.fromkeys(kind for _, kind in files):
        options: dict[str, Any] = {}
        if kind == "csv":
            # Cells stay text here as in readers.py.
            first = next(f for f, k in files if k == kind)
            given = guess_delimiter(first) if cfg["delimiter"] == "auto" else cfg["delimiter"]
            header = list(next(read_rows(first, "csv", delimiter=given), {}))
            features = datasets.Features({name: datasets.Value("string") for name in header})
            options = {"sep": given, "names": header, "header": 0, "features": features}
            options |= {"encoding": "utf-8-sig", "keep_default_na": False, "na_values": [""]}
        elif kind == "json" and cfg["json_field"]:
            options = {"field": cfg["json_field"]}
        names = [str(file) for file, k in files if k == kind]
        builder = "json" if kind == "jsonl" else kind
        try:
            parts.append(datasets.load_dataset(builder, data_files={"train": names}, split="train", **options))
        except datasets.exceptions.DatasetGenerationError as error:
            raise ConfigError(f"{', '.join(names)} cannot be read as {kind}: {error.__cause__ or error}") from error
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)


def _saved(path: str, streaming: bool) -> dict[str, AnyDataset]:
    try:
        saved = datasets.load_from_disk(path)
    except Exception as error:
        raise ConfigError(f"'{path}' looks saved by datasets and cannot be loaded: {error}") from error
    splits = dict(saved) if isinstance(saved, DatasetDict) else {str(saved.split or "train"): saved}
    if streaming:
        return {name: split.to_iterable_dataset() for name, split in splits.items()}
    return splits


def _from_hub(source: Source, cfg: Mapping[str, Any], where: str) -> dict[str, AnyDataset]:
    path = source.path
    try:
        loaded = datasets.load_dataset(
            path,
            cfg["name"],
            revision=cfg["revision"],
            data_files=cfg["data_files"],
            streaming=cfg["streaming"],
        )
    except DatasetNotFoundError as error:
        gated = "gated" in str(error)
        say = (
            f"'{path}' is gated: accept its terms on the hub and set HF_TOKEN"
            if gated
            else f"there is no file or folder '{path}' here, and no data set of that id (or revision) on "
            f"the hub that you can read"
        )
        raise ConfigError(f"{where}: {say}") from error
    except ConnectionError as error:
        raise ConfigError(
            f"{where}: there is no file or folder '{path}' here, and the hub could not be reached to look "
            f"for it there ({error})"
        ) from error
    except ValueError as error:
        # "Config name is missing. Please pick one among …", "BuilderConfig 'x' not found. Available: …"
        text = " ".join(str(error).split())
        hint = f" (write {where.rpartition('.')[0]}.name=…)" if "onfig" in text else ""
        raise ConfigError(f"{where}={path}: {text}{hint}") from error
    except Exception as error:
        raise ConfigError(
            f"{where}={path} cannot be loaded: {type(error).__name__}: {error.__cause__ or error}"
        ) from error
    if isinstance(loaded, DatasetDict | IterableDatasetDict):
        return dict(loaded)
    return {str(loaded.split or "train"): loaded}


def _generated(cfg: Mapping[str, Any], key: str, seed: int) -> dict[str, AnyDataset]:
    target = cfg["generator"]
    where = f"{key}.generator={target}"
    function = import_target(target)
    if not callable(function):
        raise ConfigError(f"{where} is no function")
    options = generator_options(cfg)
    try:
        parameters = dict(inspect.signature(function).parameters)
    except ValueError:
        parameters = {}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in options:
        if parameters and name not in parameters and not open_ended:
            raise ConfigError(
                f"{key}.generator_kwargs.{name}: {target} has no such argument{meant_or_known(name, list(parameters))}"
            )
    if "seed" in parameters:
        options.setdefault("seed", seed)
    if cfg["streaming"] and inspect.isgeneratorfunction(function):
        return {"train": IterableDataset.from_generator(function, gen_kwargs=options)}
    try:
        made = function(**options)
        if isinstance(made, Iterator):  # a generator runs here, so that its own errors are told from others
            made = list(made)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{where} failed: {type(error).__name__}: {error}") from error
    if isinstance(made, Mapping):
        return {str(split): _rows(rows, f"{where}, split '{split}'") for split, rows in made.items()}
    return {"train": _rows(made, where)}


def _rows(rows: Any, where: str) -> AnyDataset:
    if isinstance(rows, Dataset | IterableDataset):
        return rows
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise ConfigError(
            f"{where} returned {type(rows).__name__}, not rows: return a list of dicts, or {{split: rows}}"
        )
    rows = list(rows)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ConfigError(f"{where}: row {number} is {type(row).__name__}, not a dict of columns")
    return rows_to_dataset(rows)
