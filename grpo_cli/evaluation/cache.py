"""Completions kept on disk, so that nothing is generated twice.

A completion is determined by the weights, the prompt's tokens and the sampling; all of that is its key. Which kind of
device and number format computed it is part of the key too, since that may decide a near tie.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.evaluation.blocks import Completion, Request, Sampling
from grpo_cli.user_cache import CacheFile, key_of

# What decides what a model computes; a tokenizer's part is in the prompt's tokens.
WEIGHT_FILES = ("*.safetensors", "*.bin", "config.json", "adapter_config.json")
_CHUNK = 1 << 22


class CompletionCache:
    """A table of completions in one SQLite file.

    Args:
        folder: where it lies; made if missing. None for `grpo-train` in the user's cache folder.

    Raises:
        ConfigError: the folder cannot be written, or the file is no such table.
    """

    def __init__(self, folder: str | None = None) -> None:
        tables = {
            "completions": "key TEXT PRIMARY KEY, value TEXT NOT NULL",
            "files": "key TEXT PRIMARY KEY, digest TEXT NOT NULL",
            "answers": "key TEXT PRIMARY KEY, value TEXT NOT NULL",
        }
        self.file = CacheFile("completions.sqlite", folder, tables, "or name another folder with cache=<folder>")

    def get(self, keys: Sequence[str]) -> dict[str, Completion]:
        """What is there of these keys."""
        found: dict[str, Completion] = {}
        with self.file.open() as connection:
            for key in keys:
                row = connection.execute("SELECT value FROM completions WHERE key = ?", (key,)).fetchone()
                if row:
                    found[key] = Completion(**json.loads(row[0]))
        return found

    def put(self, completions: Mapping[str, Completion]) -> None:
        """Keep completions; what was there under a key is replaced."""
        rows = [(key, json.dumps(dataclasses.asdict(value))) for key, value in completions.items()]
        with self.file.open() as connection:
            connection.executemany("INSERT OR REPLACE INTO completions VALUES (?, ?)", rows)

    def digest_of(self, path: Path) -> str:
        """A file's SHA-256, computed once as long as its size and time of change stay the same."""
        stat = path.stat()
        key = json.dumps([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
        with self.file.open() as connection:
            row = connection.execute("SELECT digest FROM files WHERE key = ?", (key,)).fetchone()
        if row:
            return str(row[0])
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        with self.file.open() as connection:
            connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (key, digest.hexdigest()))
        return digest.hexdigest()

    def recall(self, key: str) -> Any:
        """What was remembered under a key, or None."""
        with self.file.open() as connection:
            row = connection.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def remember(self, key: str, value: Any) -> None:
        """Keep what JSON can hold."""
        with self.file.open() as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(value)))

    def weights_of(self, folder: Path) -> str:
        """One hash of all that decides what the model in a folder computes."""
        files = sorted({path for pattern in WEIGHT_FILES for path in folder.glob(pattern)})
        return key_of(*([path.name, self.digest_of(path)] for path in files))


def completion_key(model: str, request: Request, sampling: Sampling) -> str:
    """The key of one completion.

    Args:
        model: hash of the weights with how they are computed; or an endpoint and its model's name.
        request: what is asked.
        sampling: how it is drawn.
    """
    drawn: list[Any] = [0.0]
    if sampling.temperature:  # a greedy answer depends on no seed
        drawn = [sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed, request.sample]
    return key_of(model, request.ids or request.prompt, sampling.max_completion_length, drawn)
