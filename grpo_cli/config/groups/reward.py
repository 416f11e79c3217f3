"""What every entry of `reward:` has, whatever it computes."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import REQUIRED, option


@dataclass
class RewardConfig:
    """One entry `reward.<name>`; each further key of it is a keyword argument of the target."""

    target: str = option(
        REQUIRED, help="The reward function: 'package.module:name' or 'path/to/file.py:name' (your own file)."
    )
    weight: float = option(
        1.0, help="Factor of this reward in the sum that GRPO maximises; 0 logs it without training on it."
    )
    correctness: bool = option(
        False,
        help="Whether 1.0 from this reward means 'the answer is right': such rewards make eval/held_out/accuracy.",
    )
    timeout: float = option(
        10.0,
        help="Wall seconds one completion may take; a function of TRL's form gets as many for each round of "
        "completions that the workers could do. Past it the work is killed and the completion counts as failed.",
    )
    on_error: str = option(
        "raise",
        help="What a failed completion becomes: raise ends the run at an exception or a bad value (what timed out or "
        "died is skipped), skip gives None, zero gives 0.0.",
        choices=("raise", "skip", "zero"),
    )
    max_failure_rate: float = option(
        0.2, help="Share of failed completions in the window (guard.window) above which the run stops."
    )
    cache: bool = option(False, help="Whether equal completions of equal rows are scored once (pure functions only).")
    isolate: str = option(
        "auto",
        help="Where it runs: workers (processes that can be killed), here (the training process), or auto: here for "
        "what needs the tokenizer, the device, the trainer or is async, workers for all else.",
        choices=("auto", "workers", "here"),
    )
    clip: list[float] | None = option(None, help="[lowest, highest]: values outside are cut to it before weighting.")
    normalize: str = option(
        "none",
        help="running: subtract the mean and divide by the standard deviation of all values so far, over all ranks.",
        choices=("none", "running"),
    )
    gate: str | None = option(
        None, help="Another reward's name: this one is multiplied by it, so it counts only where that one holds."
    )
    schedule: dict[str, float] | None = option(
        None, help="Weight by optimizer step, linear between the given ones: {0: 0.0, 100: 1.0}; replaces weight."
    )
