"""What `dataset.path` points at: files, a folder, something saved by `datasets`, or a hub id. Light."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.config.suggest import did_you_mean, nearest
from grpo_cli.errors import ConfigError

KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".txt": "text",
}
_METADATA = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"))
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SPLIT = re.compile(r"(?:^|[\W_])(train(?:ing)?|test|validation|valid|val|dev)(?=$|[\W_0-9])", re.IGNORECASE)
_SPLIT_NAMES = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation"}


@dataclass
class Source:
    """What a path is.

    Attributes:
        kind: "hub", "saved" (by `datasets`), "repository" (a folder laid out for the hub) or "files".
        path: as given.
        splits: of "files": (file, format) by split.
    """

    kind: str
    path: str
    splits: dict[str, list[tuple[Path, str]]] = field(default_factory=dict)

    @property
    def files(self) -> list[tuple[Path, str]]:
        """All files with their formats."""
        return [entry for files in self.splits.values() for entry in files]


def locate(cfg: Mapping[str, Any], key: str = "dataset", path_key: str = "path") -> Source:
    """Find out what a source's path is.

    Args:
        cfg: the source's config node.
        key: where the node stands, for messages.
        path_key: "path" or "test_path".

    Returns:
        The source, its files found.

    Raises:
        ConfigError: nothing is there, a file is empty, or its format is not known.
    """
    given = cfg[path_key]
    where = f"{key}.{path_key}"
    paths = [str(p) for p in given] if isinstance(given, Sequence) and not isinstance(given, str) else [str(given)]
    if not paths or not all(paths):
        raise ConfigError(f"{where} is empty: write a hub id, a file or a folder")
    if len(paths) == 1:
        path = Path(paths[0]).expanduser()
        if path.is_dir():
            return _folder(path, cfg, where)
        if not _glob(paths[0]) and not path.exists() and looks_like_hub_id(paths[0]):
            return Source("hub", paths[0])
    files = [file for text in paths for file in _expand(text, where)]
    return Source("files", ", ".join(paths), {"train": [(f, _kind(f, cfg, key)) for f in _not_empty(files)]})


def looks_like_hub_id(path: str) -> bool:
    """Whether a path that does not exist here can be a data set on the hub rather than a mistyped file."""
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    mistyped = "/" not in path and nearest(suffix, KINDS, cutoff=0.75)  # rows.jsnl
    return bool(_HUB_ID.fullmatch(path)) and suffix not in KINDS and not mistyped


def _glob(path: str) -> bool:
    return any(c in path for c in "*?[")


def _expand(text: str, where: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise ConfigError(f"{where}: '{text}' is a folder; give it alone, or the files in it as '{text}/*.jsonl'")
    if _glob(text):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(p for p in anchor.glob(str(path.relative_to(path.anchor))) if p.is_file())
        if not found:
            raise ConfigError(f"{where}: no file matches '{text}'")
        return found
    beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    hub = "" if text.startswith((".", "/", "~")) else ", and it is no hub id"
    raise ConfigError(f"{where}: there is no file or folder '{text}'{hub}{did_you_mean(path.name, beside)}")


def _folder(path: Path, cfg: Mapping[str, Any], where: str) -> Source:
    if (path / "dataset_dict.json").is_file() or (
        (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    ):
        return Source("saved", str(path))
    readme = path / "README.md"
    if (
        cfg.get("name")
        or cfg.get("data_files")
        or (readme.is_file() and "\nconfigs:" in readme.read_text("utf-8", "replace"))
    ):
        return Source("repository", str(path))
    inside = (p.relative_to(path) for p in path.rglob("*") if p.is_file())
    found = sorted(
        path / p
        for p in inside
        if _suffix(p) in KINDS and p.name not in _METADATA and not any(x[0] == "." for x in p.parts)
    )
    # A LICENSE.txt beside the data is no data.
    found = [p for p in found if _suffix(p) != ".txt"] or found
    if not found:
        raise ConfigError(f"{where}: the folder '{path}' holds no data files ({', '.join(KINDS)})")
    splits: dict[str, list[tuple[Path, str]]] = {}
    for file in _not_empty(found):
        named = _SPLIT.search(str(file.relative_to(path)))
        split = named.group(1).lower() if named else "train"
        splits.setdefault(_SPLIT_NAMES.get(split, split), []).append((file, _kind(file, cfg, where)))
    return Source("files", str(path), splits)


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _kind(file: Path, cfg: Mapping[str, Any], key: str) -> str:
    if (cfg.get("format") or "auto") != "auto":
        return str(cfg["format"])
    if _suffix(file) in KINDS:
        return KINDS[_suffix(file)]
    raise ConfigError(
        f"{file}: the format of '{file.name}' is not known by its name ({', '.join(KINDS)}): "
        f"set {key}.format to jsonl, json, csv, parquet or text"
    )


def _not_empty(files: list[Path]) -> list[Path]:
    for file in files:
        if file.stat().st_size == 0:
            raise ConfigError(f"{file} is empty")
    return files
