"""The key that was meant, by its names elsewhere and by spelling."""

from __future__ import annotations

import pytest

from grpo_cli.config.other_names import nearest_key
from grpo_cli.config.suggest import nearest


@pytest.mark.parametrize(
    ("section", "name", "expected"),
    [
        ("training", "learning_rat", "training.learning_rate"),
        ("training", "max_new_tokens", "training.max_completion_length"),
        ("training", "lora_alpha", "peft.lora_alpha"),
        ("training", "attn_implementation", "model.attn_implementation"),
        ("", "beta", "training.beta"),
        ("model", "lr", "training.learning_rate"),
        ("launch", "num_proceses", "launch.num_processes"),
        ("training", "zzzz", None),
    ],
)
def test_nearest_key(section: str, name: str, expected: str | None) -> None:
    assert nearest_key(section, name) == expected


def test_nearest_ignores_case_and_gives_nothing_far_off() -> None:
    assert nearest("DAPO", ["grpo", "dapo"]) == "dapo"
    assert nearest("xyz", ["grpo", "dapo"]) is None
