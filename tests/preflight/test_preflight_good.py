"""Configurations that are right: the rules find nothing in them that a user would have to read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grpo_cli.config.places import choices
from grpo_cli.preflight.finding import NOTE

VLLM = {"installed": lambda package: True, "on": "a100x4"}
GOOD: list[tuple[str, dict]] = [
    ("", {}),
    ("", {"on": "a100x4"}),
    ("launch=single_gpu", {"on": "v100"}),
    ("launch.num_processes=2", {}),
    *((f"experiment={name}", {}) for name in choices("experiment")),
    *((f"algorithm={name}", {}) for name in choices("algorithm")),
    *((f"debug={name}", {}) for name in choices("debug")),
    ("rollout=auto", {}),
    ("rollout=auto", VLLM),
    ("rollout=continuous_batching", {"on": "a100"}),
    ("rollout=vllm_colocate", VLLM),
    ("rollout=vllm_server", VLLM),
    ("rollout=vllm_server rollout.url=http://node7:8000", VLLM | {"on": "a100"}),
    ("peft=lora", {}),
    ("peft=dora", {}),
    ("peft=qlora", VLLM),
    ("dataset=zen reward=[length]", {}),
    ("model=Qwen/Qwen3-0.6B dataset=gsm8k training.learning_rate=1e-6", {}),
    ("training.eval_strategy=steps training.eval_steps=50 training.metric_for_best_model=reward", {}),
]


def test_there_are_twenty() -> None:
    assert len(GOOD) >= 20 and len(choices("experiment")) >= 2


@pytest.mark.parametrize(("overrides", "facts"), GOOD, ids=[f"{o or 'default'}-{f.get('on', 'cpu')}" for o, f in GOOD])
def test_nothing_is_found(findings: Callable, overrides: str, facts: dict) -> None:
    found = [finding for finding in findings(*overrides.split(), **facts) if finding.severity != NOTE]
    assert found == []


def test_the_shipped_default_has_not_even_a_note(findings: Callable) -> None:
    assert findings() == []
