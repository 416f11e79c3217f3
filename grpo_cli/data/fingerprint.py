"""A fingerprint of what was trained on: a hash of the rows themselves.

`datasets`' own fingerprint depends on library versions, paths and how functions pickle, so equal rows may
differ in it.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from datasets import Dataset

_ALL_UP_TO = 100_000


def fingerprint(rows: Dataset) -> str:
    """Hash a data set's rows, in order.

    Args:
        rows: the rows; of more than 100,000, that many evenly spaced ones are hashed, with their number.

    Returns:
        16 hexadecimal digits, the same for equal rows on every machine.
    """
    digest = hashlib.sha256(str(len(rows)).encode())
    if len(rows) > _ALL_UP_TO:
        rows = rows.select(np.linspace(0, len(rows) - 1, _ALL_UP_TO).astype(np.int64))
    columns = sorted(rows.column_names)
    for start in range(0, len(rows), 1000):
        batch = rows[start : start + 1000]
        for row in zip(*(batch[name] for name in columns), strict=True):
            text = json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, sort_keys=True, default=str)
            digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]
