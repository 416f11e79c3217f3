"""What becomes of failures: the share that ends a run, and the file that keeps each of them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpo_cli.runs.jsonl import append

MINIMUM = 64  # completions before a share means something
MOST_RECORDS = 1000  # of one reward in one process; later ones are counted only
MOST_CHARACTERS = 200_000  # of one field
_WORDS = {"timeout": "timed out", "error": "raised", "died": "lost their process", "value": "gave no valid value"}


class Window:
    """The last completions of one reward, and how many of them failed.

    Args:
        size: completions that count.
        limit: share of failures above which the run must stop.

    Example:
        >>> window = Window(size=100, limit=0.2)
        >>> window.add("ok", 70); window.add("timeout", 30)
        >>> window.exceeded()
        '30 of the last 100 completions failed (30 timed out)'
    """

    def __init__(self, size: int, limit: float) -> None:
        self._kinds: deque[str] = deque(maxlen=size)
        self._limit = limit

    def add(self, kind: str, count: int = 1) -> None:
        """Count completions with one outcome."""
        self._kinds.extend([kind] * count)

    def exceeded(self) -> str | None:
        """What to say where the share is above the limit; None where it is not, or too little has been seen."""
        seen = len(self._kinds)
        counts = Counter(self._kinds)
        failed = seen - counts.pop("ok", 0)
        if seen < min(MINIMUM, self._kinds.maxlen or MINIMUM) or failed <= self._limit * seen:
            return None
        kinds = ", ".join(f"{number} {_WORDS[kind]}" for kind, number in counts.most_common())
        return f"{failed} of the last {seen} completions failed ({kinds})"


class Journal:
    """Appends failures to a run's `reward_failures.jsonl`, whole lines, from any number of ranks.

    Args:
        path: the file; None to keep nothing.
        rank: this process.
    """

    def __init__(self, path: Path | None, rank: int = 0) -> None:
        self.path, self.rank = path, rank
        self._written: Counter[str] = Counter()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one failure.

        Fields longer than `MOST_CHARACTERS` are cut, and `cut` says which and how long they were; what JSON
        cannot hold is named there too.
        """
        if self.path is None or self._written[record["reward"]] >= MOST_RECORDS:
            return
        self._written[record["reward"]] += 1
        cut: dict[str, str] = {}
        kept = {key: _fit(value, key, cut) for key, value in record.items()}
        append(self.path, {"time": time.time(), "rank": self.rank, **kept, "cut": cut})


def _fit(value: Any, key: str, cut: dict[str, str]) -> Any:
    """A value as JSON can hold it in a bounded line."""
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        cut[key] = f"{len(value)} characters"
        return value[:MOST_CHARACTERS]
    if isinstance(value, Mapping):
        return {str(k): _fit(v, f"{key}.{k}", cut) for k, v in value.items()}
    if isinstance(value, list | tuple):
        kept, room = [], MOST_CHARACTERS
        for index, item in enumerate(value):
            fitted = _fit(item, f"{key}.{index}", cut)
            room -= len(fitted) if isinstance(fitted, str) else 8
            if room < 0 and index:
                cut[key] = f"{len(value)} items"
                break
            kept.append(fitted)
        return kept
    if isinstance(value, str | int | float | bool | None):
        return value
    if hasattr(value, "tolist"):
        return _fit(value.tolist(), key, cut)
    cut[key] = f"a {type(value).__name__}, of which only the text is kept"
    return _fit(str(value), key, {})
