"""Whole-line appends and atomic replaces: what keeps every file of a run readable after a kill."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def _plain(value: Any) -> Any:
    """Replace what JSON cannot hold: NaN and infinities become strings, unknown objects their text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _line(record: dict[str, Any]) -> bytes:
    """A record as a line of JSON, in UTF-8; half a surrogate pair has none and is written as JSON's own escape."""
    plain = _plain(record)
    try:
        return (json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(plain, allow_nan=False) + "\n").encode()


def append(path: Path, *records: dict[str, Any]) -> None:
    """Append records to a JSONL file, whole lines in one write: a kill leaves no half record inside.

    Args:
        path: the file; made with its folders where missing.
        records: one JSON object a line.
    """
    if not records:
        return
    data = b"".join(_line(record) for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # A write cut short by a kill or a full disk leaves a line without its end; close it before going on.
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            while data:
                data = data[os.write(fd, data) :]
        except OSError:  # no room: take back the part that was written
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete records of a JSONL file; a line torn by a kill is passed over.

    Args:
        path: the file; a missing one yields nothing.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from parse(lines)


def parse(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of lines, passing over what is no whole record."""
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            yield record


def write_atomic(path: Path, text: str) -> None:
    """Write a file beside its place and rename it: readers see the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def clear_unfinished(directory: Path) -> None:
    """Remove what `write_atomic` left beside its files when its process was killed; for when nobody writes there."""
    for path in directory.glob(".*.tmp"):
        if path.is_file():
            path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document atomically, indented for people."""
    write_atomic(path, json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")
