"""Reading `metrics.jsonl`: numbers as they were written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(record: Mapping[str, Any], key: str) -> float | None:
    """A metric of a record; NaN and infinities are stored as text; None where it is missing or no number."""
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
