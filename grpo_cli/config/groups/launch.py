"""The `launch` group: on what hardware, in how many processes, and how patiently a run is ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option

KINDS = ("auto", "cpu", "single_gpu", "multi_gpu")


@dataclass
class LaunchConfig:
    """How the worker processes are started and stopped."""

    kind: str = option(
        "auto", "Hardware to use; auto: no GPU gives cpu, one gives single_gpu, more give multi_gpu.", KINDS
    )
    num_processes: int | str = option(
        "auto", "Worker processes (ranks); auto: every visible GPU under multi_gpu, else 1."
    )
    threads: int | str = option(
        "auto",
        "CPU threads a process (OMP_NUM_THREADS); auto: usable cores // processes, unless already set.",
    )
    grace_seconds: float = option(
        30.0, "Seconds the first Ctrl-C or SIGTERM waits for the step to end and its checkpoint to be saved."
    )
    foreground: bool = option(False, "Run the one worker in this terminal, for a debugger; its output is not logged.")
    env: dict[str, Any] = option({}, "Environment variables for the workers, on top of yours.")
