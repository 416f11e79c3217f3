"""What rank 0 writes while a run goes on: events for the live display, metrics, completions.

Every record is appended as one whole line, so a kill leaves readable files and the display can follow them.
Other ranks get a recorder that writes nothing, which keeps rank tests out of the callers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append


class Listener(Protocol):
    """Somebody who wants to see records as they are written, on rank 0."""

    def on_metrics(self, record: Mapping[str, Any]) -> None:
        """A record of metrics.jsonl."""

    def on_completions(self, split: str, records: Sequence[Mapping[str, Any]]) -> None:
        """The completions of one generation batch, or of one evaluation."""


class Recorder:
    """Appends a run's records to its folder.

    Args:
        folder: the run.
        enabled: whether this process writes (rank 0 does).
    """

    def __init__(self, folder: RunFolder, enabled: bool = True) -> None:
        self.folder = folder
        self.enabled = enabled
        self.listeners: list[Listener] = []

    def event(self, event: str, **fields: Any) -> None:
        """Append one event for the live display."""
        if self.enabled:
            append(self.folder.events, {"event": event, "time": time.time(), **fields})

    def phase(self, name: str) -> None:
        """Say what the worker is doing now."""
        self.event("phase", name=name)

    def resolved(self, key: str, value: Any, why: str) -> None:
        """Say what an `auto` became."""
        self.event("resolved", key=key, value=value, why=why)

    def warning(self, message: str) -> None:
        """Tell the user something that does not stop the run."""
        self.event("warning", message=message)

    def metrics(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Append one line of metrics.

        Args:
            kind: "train", "eval" (ours), "trl_eval" (TRL's own evaluation) or "summary".
            step: the optimizer step they belong to.
            values: numbers by metric name.
        """
        if self.enabled:
            record = {"kind": kind, "step": step, "time": time.time(), **values}
            append(self.folder.metrics, record)
            for listener in self.listeners:
                listener.on_metrics(record)

    def completions(self, split: str, records: Sequence[dict[str, Any]]) -> None:
        """Append completions, one a line."""
        if self.enabled:
            append(self.folder.completions(split), *records)
            for listener in self.listeners:
                listener.on_completions(split, records)
