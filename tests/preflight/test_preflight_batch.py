import pytest

from grpo_cli.preflight.batch import BatchPlan, batch_problems

DEFAULTS = {
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "num_generations": 8,
    "num_iterations": 1,
    "steps_per_generation": None,
    "generation_batch_size": None,
}


@pytest.mark.parametrize(
    "training, world_size",
    [
        ({}, 1),
        ({"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}, 1),
        ({"per_device_train_batch_size": 2}, 4),
        ({"generation_batch_size": 32}, 2),
        ({"per_device_train_batch_size": 3, "num_generations": 3}, 1),
    ],
)
def test_sizes_that_fit_are_not_refused(training, world_size):
    assert batch_problems(training, world_size, DEFAULTS.__getitem__) == []


@pytest.mark.parametrize(
    "training, world_size, fix",
    [
        ({"per_device_train_batch_size": 4}, 1, {"num_generations": 4}),
        ({"per_device_train_batch_size": 4}, 1, {"per_device_train_batch_size": 8}),
        ({"num_generations": 6, "per_device_train_batch_size": 4}, 2, {"num_generations": 4}),
        ({"num_generations": 6, "per_device_train_batch_size": 4}, 2, {"per_device_train_batch_size": 6}),
        ({"generation_batch_size": 30}, 2, {"generation_batch_size": 32}),
        ({"num_generations": 1}, 1, {"num_generations": 8}),
    ],
)
def test_the_advice_given_works(training, world_size, fix):
    (problem,) = batch_problems(training, world_size, DEFAULTS.__getitem__)
    (key, value) = next(iter(fix.items()))
    assert f"training.{key}={value}" in problem
    assert batch_problems({**training, **fix}, world_size, DEFAULTS.__getitem__) == []


def test_two_keys_for_one_thing_are_refused():
    training = {"generation_batch_size": 16, "steps_per_generation": 2}
    assert "same thing twice" in batch_problems(training, 1, DEFAULTS.__getitem__)[0]


def test_optimizer_steps_drop_the_last_partial_generation():
    plan = BatchPlan(4, 1, 2, 2, num_generations=4)
    assert (plan.generation_batch_size, plan.prompts_per_generation) == (8, 2)
    assert plan.optimizer_steps(prompts=17, epochs=3) == 24
    assert BatchPlan(4, 1, 2, 2, num_generations=4, num_iterations=2).optimizer_steps(17, 3) == 48
    assert plan.optimizer_steps(prompts=1, epochs=3) == 0
