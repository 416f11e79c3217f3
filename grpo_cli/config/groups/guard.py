"""`guard`: the worker processes in which rewards run, and when failures end the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grpo_cli.config.groups._option import option


@dataclass
class GuardConfig:
    """What all rewards share; the limits of each one stand in its own entry (`reward.<name>.timeout`, …)."""

    workers: int | Literal["auto"] = option(
        "auto", help="Reward processes of each rank; auto: the machine's cores shared among its ranks, at most 16."
    )
    memory_gb: float | None = option(4.0, help="Most memory of one reward process in GiB; null: no limit.")
    window: int = option(512, help="Completions over which a reward's max_failure_rate is counted.")
