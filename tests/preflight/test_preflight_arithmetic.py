"""The numbers against TRL's own sampler and against what a run logs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grpo_cli.preflight.arithmetic import arithmetic


@pytest.mark.parametrize(
    ("overrides", "prompts", "expected"),
    [
        # (completions a step, prompts a step, generation batch, generations and steps an epoch)
        ([], 100, (64, 8, 64, 12, 12)),
        (["training.gradient_accumulation_steps=2"], 100, (128, 16, 128, 6, 6)),
        (["training.gradient_accumulation_steps=2", "launch.num_processes=2"], 100, (256, 32, 256, 3, 3)),
        (["training.steps_per_generation=4"], 100, (64, 8, 256, 3, 12)),
        (["training.num_iterations=3"], 100, (64, 8, 64, 12, 36)),
    ],
)
def test_numbers(situate: Callable, overrides: list[str], prompts: int, expected: tuple) -> None:
    made = arithmetic(situate(*overrides), prompts)
    assert made is not None
    got = (made.completions_per_step, made.prompts_per_step, made.generation_batch)
    assert (*got, made.generations_per_epoch, made.steps_per_epoch) == expected


@pytest.mark.parametrize("steps_per_generation", [1, 3])
@pytest.mark.parametrize("iterations", [1, 2])
@pytest.mark.parametrize("prompts", [7, 16, 41])
def test_an_epoch_is_what_trls_sampler_gives(
    situate: Callable, steps_per_generation: int, iterations: int, prompts: int
) -> None:
    from trl.trainer.utils import RepeatSampler

    made = arithmetic(
        situate(
            "training.per_device_train_batch_size=8",
            "training.num_generations=4",
            f"training.steps_per_generation={steps_per_generation}",
            f"training.num_iterations={iterations}",
        ),
        prompts,
    )
    assert made is not None
    sampler = RepeatSampler(  # as GRPOTrainer._get_train_sampler builds it
        data_source=range(prompts),
        mini_repeat_count=4,
        batch_size=made.generation_batch // 4,
        repeat_count=iterations * steps_per_generation,
    )
    assert made.generations_per_epoch * made.generation_batch * iterations * steps_per_generation == len(list(sampler))


def test_totals_follow_from_steps_and_epochs(situate: Callable) -> None:
    by_steps = arithmetic(situate("training.max_steps=10", "training.steps_per_generation=4"), 100)
    assert by_steps is not None and (by_steps.generations, by_steps.completions) == (3, 3 * 256)
    by_epochs = arithmetic(situate("training.max_steps=-1", "training.num_train_epochs=2"), 100)
    assert by_epochs is not None and (by_epochs.total_steps, by_epochs.epochs) == (24, 2)


def test_sizes_that_do_not_go_together_have_no_numbers(situate: Callable) -> None:
    assert arithmetic(situate("training.num_generations=6")) is None
