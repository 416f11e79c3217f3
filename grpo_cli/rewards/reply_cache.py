"""What a paid service replied, kept on disk so that nothing is paid for twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError

_log = logging.getLogger(__name__)
_WAIT = 30.0  # seconds for which a writer waits for another


class ReplyCache:
    """A table of replies in one SQLite file, safe for any number of processes and threads.

    A connection is opened for each call: it costs a fraction of a millisecond, and none is ever shared by two
    threads or carried through a fork.

    Args:
        folder: where the file lies; made if missing. None for `grpo-train` in the user's cache folder.

    Raises:
        ConfigError: the folder cannot be written, or the file is no such table.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = ReplyCache(folder)
        ...     cache.put("key", {"score": 7})
        ...     cache.get("key"), cache.get("other")
        ({'score': 7}, None)
    """

    def __init__(self, folder: str | None = None) -> None:
        self.file = (Path(folder).expanduser() if folder else default_folder()) / "llm_judge.sqlite"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"the cache {self.file} cannot be used ({error}): delete it if it is damaged, name another folder "
                "with cache_dir, or write cache_replies: false"
            ) from error

    def get(self, key: str) -> Any:
        """What was put under the key, or None."""
        try:
            with self._open() as connection:
                found = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            return json.loads(found[0]) if found else None
        except sqlite3.Error as error:
            _log.warning("the cache %s could not be read, going on without: %s", self.file, error)
            return None

    def put(self, key: str, reply: Any) -> None:
        """Keep a reply; what is there already stays."""
        try:
            with self._open() as connection:
                connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, json.dumps(reply)))
        except sqlite3.Error as error:
            # The reply is paid for and good: a full disk must not lose it.
            _log.warning("the cache %s could not be written, going on without: %s", self.file, error)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.file, timeout=_WAIT)) as connection, connection:
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
