"""The user's cache of this program: SQLite files of results that cost time or money, shared by all its processes.

Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError

_WAIT = 30.0  # seconds for which a writer waits for another


class CacheFile:
    """One SQLite file, safe for any number of processes and threads.

    A connection is opened for each use: it costs a fraction of a millisecond, and none is ever shared by two threads or
    carried through a fork.

    Args:
        name: the file's name.
        folder: where it lies; made if missing. None for `grpo-train` in the user's cache folder.
        tables: name to columns, in SQL; made where they are missing.
        otherwise: what the user can do beside deleting a damaged file, to end the error's sentence.

    Raises:
        ConfigError: the folder cannot be written, or the file is no SQLite file.
    """

    def __init__(self, name: str, folder: str | None, tables: dict[str, str], otherwise: str) -> None:
        self.path = (Path(folder).expanduser() if folder else default_folder()) / name
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.open() as connection:
                for table, columns in tables.items():
                    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"the cache {self.path} cannot be used ({error}): delete it if it is damaged, {otherwise}"
            ) from error

    @contextlib.contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed at the end, or taken back on an error."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=_WAIT)) as connection, connection:
            yield connection


def key_of(*parts: Any) -> str:
    """A key for what JSON can hold: the same on every machine.

    Example:
        >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()


def default_folder() -> Path:
    """The folder for this program in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grpo-train"
