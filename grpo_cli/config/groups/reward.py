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
        help="Whether 1.0 from this reward means 'the answer is right': such rewards make eval/accuracy.",
    )
