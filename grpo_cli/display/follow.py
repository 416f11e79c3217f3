"""Follow a run by its files: read only what was appended since the last look, and only whole lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpo_cli.display.state import RunState
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.metrics import number

CHUNK = 1 << 20
"""Bytes read at a time; a long history is taken in several reads within one poll."""


class JsonlTail:
    """The records appended to one JSONL file since the last poll. An unchanged file costs one `stat`.

    Args:
        path: the file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode: int | None = None
        self._offset = 0  # just behind the last newline read
        self._size = 0

    def poll(self) -> tuple[list[dict[str, Any]], bool]:
        """Read what is new.

        Returns:
            The new records, and whether the file was replaced or cut (then they start at its beginning).
        """
        try:
            stat = self.path.stat()
        except OSError:
            return [], False
        if stat.st_ino == self._inode and stat.st_size == self._size:
            return [], False
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except OSError:
            return [], False
        try:
            stat = os.fstat(fd)  # of the file that is open: it may have been replaced since
            replaced = self._inode is not None and (
                stat.st_ino != self._inode or (self._offset > 0 and os.pread(fd, 1, self._offset - 1) != b"\n")
            )
            if replaced:
                self._offset = 0
            self._inode, self._size = stat.st_ino, stat.st_size
            return self._read(fd), replaced
        finally:
            os.close(fd)

    def _read(self, fd: int) -> list[dict[str, Any]]:
        data = b""
        position = self._offset
        while chunk := os.pread(fd, CHUNK, position):
            data += chunk
            position += len(chunk)
        end = data.rfind(b"\n") + 1  # what follows is a line still being written: next time
        self._offset += end
        self._size = max(self._size, position)
        records = []
        for line in data[:end].split(b"\n"):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8", errors="replace"))
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict):
                records.append(record)
        return records


class Follower:
    """Keeps a `RunState` up to date from a run folder's event and metric files.

    Args:
        folder: the run folder; its files may not exist yet.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.state = RunState()
        self._events = JsonlTail(folder.events)
        self._metrics = JsonlTail(folder.metrics)
        self._seen: set[tuple[Any, Any, Any]] = set()

    def poll(self) -> list[dict[str, Any]]:
        """Take in what is new and bring `state` up to date.

        Returns:
            The new records of both files in the order of their times. Metrics that were read before and
            stand in a replaced metrics file once more are not returned again.
        """
        return list(self.stream())

    def stream(self) -> Iterator[dict[str, Any]]:
        """Like `poll`, but yield each record when `state` has taken in that record and no later one."""
        self.state.stopping = self.folder.stop_request.exists()
        events, restarted = self._events.poll()
        metrics, replaced = self._metrics.poll()
        if restarted:
            self.state = RunState(stopping=self.state.stopping)
        if replaced or restarted:
            self.state.forget_metrics()
        if events and metrics:  # stable: an event and a metric of one instant keep this order
            merged = sorted(events + metrics, key=lambda r: number(r, "time") or 0.0)
        else:
            merged = events or metrics
        for record in merged:
            if "event" in record:
                self.state.on_event(record)
                yield record
                continue
            self.state.on_metrics(record)
            mark = (record.get("kind"), record.get("step"), record.get("time"))
            if mark not in self._seen:
                self._seen.add(mark)
                yield record
