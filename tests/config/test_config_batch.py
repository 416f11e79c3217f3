"""Batch arithmetic."""

from __future__ import annotations

import re

import pytest

from grpo_cli.config.batch import problem


@pytest.mark.parametrize(
    ("training", "world_size"),
    [
        ({}, 1),  # TRL's defaults: 8 completions, groups of 8
        ({"per_device_train_batch_size": 4}, 2),
        ({"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}, 1),
        ({"per_device_train_batch_size": 1, "steps_per_generation": 16}, 1),
        ({"per_device_train_batch_size": 2, "generation_batch_size": 32}, 4),
    ],
)
def test_fits(training: dict, world_size: int) -> None:
    assert problem(training, world_size) is None


@pytest.mark.parametrize(
    ("training", "world_size"),
    [
        ({"per_device_train_batch_size": 4}, 1),
        ({"per_device_train_batch_size": 3, "num_generations": 8}, 2),
        ({"num_generations": 6, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}, 1),
        ({"num_generations": 6, "per_device_train_batch_size": 4, "steps_per_generation": 2}, 1),
        ({"num_generations": 6, "per_device_train_batch_size": 4, "generation_batch_size": 16}, 2),
    ],
)
def test_what_is_proposed_fits(training: dict, world_size: int) -> None:
    sentence = problem(training, world_size)
    assert sentence is not None
    proposed = dict(re.findall(r"training\.(\w+)=(\d+)", sentence.split(";")[1]))
    assert proposed
    for key, value in proposed.items():
        assert problem({**training, key: int(value)}, world_size) is None


def test_generation_batch_must_be_a_multiple_of_a_step() -> None:
    sentence = problem({"generation_batch_size": 20}, 1)
    assert sentence is not None and "24 would do" not in sentence and "16 would do" in sentence
