"""What a reward's entry and the `guard` section ask of the guard, with every default filled in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from grpo_cli.config.groups.guard import GuardConfig
from grpo_cli.config.groups.reward import RewardConfig

MOST_WORKERS = 16


@dataclass(frozen=True)
class Limits:
    """The guard's keys of one entry (`config/groups/reward.py` says what each means)."""

    timeout: float
    on_error: str
    max_failure_rate: float
    cache: bool
    isolate: str

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Limits:
        """Read them out of an entry.

        Example:
            >>> Limits.of({"target": "…", "timeout": 2}).timeout, Limits.of({}).on_error
            (2, 'raise')
        """
        return cls(**_filled(entry, RewardConfig, [field.name for field in fields(cls)]))


@dataclass(frozen=True)
class Settings:
    """The `guard` section (`config/groups/guard.py`)."""

    workers: int | str
    memory_gb: float | None
    window: int

    @classmethod
    def of(cls, section: Mapping[str, Any] | None) -> Settings:
        """Read the section; None for all defaults."""
        return cls(**_filled(section or {}, GuardConfig, [field.name for field in fields(cls)]))

    def worker_count(self) -> int:
        """The number of workers of this rank; `auto` shares this machine's cores among its ranks."""
        if self.workers != "auto":
            return int(self.workers)
        ranks = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
        return max(1, min(MOST_WORKERS, cores() // ranks))


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _filled(given: Mapping[str, Any], declared: type, names: list[str]) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(declared)}
    return {name: given.get(name, defaults[name]) for name in names}
