"""`sweep`: how a multirun (-m) behaves."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class SweepConfig:
    """What is done about jobs that fail or are refused, and how much a multirun may take."""

    fail_fast: bool = option(False, help="Stop the multirun at its first failed job; false: record it and go on.")
    invalid: str = option(
        "skip",
        help="What is done about jobs whose configuration is refused, all of which are found before the first one "
        "starts: skip (list them, run the rest) or fatal (list them, run none).",
        choices=("skip", "fatal"),
    )
    timeout: str | int | float | None = option(
        None,
        help="Wall time of one start of the multirun, as 90s, 30m, 8h, 2d or seconds: when it is over, no job is "
        "started, and those that run save a checkpoint and end; the same command goes on with them.",
    )
    gpu_hours: float | None = option(
        None, help="GPU hours of all its jobs together, over all starts; what happens when they are spent is as above."
    )
