"""What a paid service replied, kept on disk so that nothing is paid for twice."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any

from grpo_cli.user_cache import CacheFile

_log = logging.getLogger(__name__)


class ReplyCache:
    """A table of replies in one SQLite file, safe for any number of processes and threads.

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
        self.file = CacheFile(
            "llm_judge.sqlite",
            folder,
            {"replies": "key TEXT PRIMARY KEY, reply TEXT NOT NULL"},
            "name another folder with cache_dir, or write cache_replies: false",
        )

    def get(self, key: str) -> Any:
        """What was put under the key, or None."""
        try:
            with self.file.open() as connection:
                found = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            return json.loads(found[0]) if found else None
        except sqlite3.Error as error:
            _log.warning("the cache %s could not be read, going on without: %s", self.file.path, error)
            return None

    def put(self, key: str, reply: Any) -> None:
        """Keep a reply; what is there already stays."""
        try:
            with self.file.open() as connection:
                connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, json.dumps(reply)))
        except sqlite3.Error as error:
            # The reply is paid for and good: a full disk must not lose it.
            _log.warning("the cache %s could not be written, going on without: %s", self.file.path, error)
