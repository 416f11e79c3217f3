from __future__ import annotations

from decimal import Decimal

import pytest
from transformers import TrainerState

from grpo_cli.errors import RunError
from grpo_cli.rewards.build import RewardContext, build_rewards


def score(function, completions, prompts=None, state=None, **options):
    cfg = {"mine": {"target": f"my_rewards.py:{function}", **options}}
    reward = build_rewards(cfg, context=RewardContext())[0]
    prompts = prompts or ["p"] * len(completions)
    return reward(prompts=prompts, completions=completions, completion_ids=None, trainer_state=state)


def test_numbers_of_every_kind(my_rewards):
    import numpy
    import torch

    for value in (1, 1.0, True, Decimal(1), numpy.float32(1), numpy.int64(1), torch.tensor(1.0)):
        (got,) = score("gives", ["a"], value=value)
        assert got == 1.0 and type(got) is float
    for values in ([1, 0.5], (1, 0.5), torch.tensor([1, 0.5]), numpy.array([1, 0.5]), iter([1, 0.5])):
        assert score("gives_batch", ["a", "b"], value=values) == [1.0, 0.5]


def test_none_skips(my_rewards):
    assert score("gives", ["a"], value=None) == [None]
    assert score("gives_batch", ["a", "b"], value=[None, 1]) == [None, 1.0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "NaN.*return None"),
        (float("inf"), "returned inf, which is not finite"),
        (float("-inf"), "not finite"),
        (1e39, "not finite as float32"),
        (10**400, "not finite"),
        ("1.0", "'1.0', which is no number"),
        ([1.0], "no number"),
        ({}, "no number"),
        (1j, "no number"),
    ],
)
def test_bad_values_name_reward_step_row_and_completion(my_rewards, value, message):
    prompts = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 1+1?"}]]
    state = TrainerState(global_step=3)
    with pytest.raises(RunError, match=message) as caught:
        score("gives", ["the completion " + "x" * 500], prompts=prompts, state=state, value=value)

    text = str(caught.value)
    assert text.startswith("After 3 steps: reward 'mine'")
    assert "completion 0 of the batch (0 to 0) on the prompt 'What is 1+1?'" in text
    assert "begins 'the completion " + "x" * 185 + "'" in text


def test_a_bad_value_in_a_batch_names_its_place(my_rewards):
    with pytest.raises(
        RunError, match=r"NaN .*completion 1 of the batch \(0 to 2\) on the prompt 'p', which begins 'b'"
    ):
        score("gives_batch", ["a", "b", "c"], value=[1.0, float("nan"), float("inf")])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], "returned 1 values; it must return a list with one number .* each of the 2"),
        ([1.0] * 3, "returned 3 values"),
        (1.0, "returned 1.0; it must return a list"),
        (None, "returned None; it must"),
        ("ab", "returned 'ab'"),
        ({0: 1.0, 1: 1.0}, "it must return a list"),
    ],
)
def test_wrong_results_of_a_batch(my_rewards, value, message):
    with pytest.raises(RunError, match=message):
        score("gives_batch", ["a", "b"], value=value)


def test_an_exception_names_the_users_line_and_is_chained(my_rewards):
    with pytest.raises(RunError) as caught:
        score("divides", ["abc", ""])

    text = str(caught.value)
    assert "reward 'mine' failed with ZeroDivisionError: division by zero" in text
    assert "my_rewards.py:" in text and "return 1 / len(completion)" in text
    assert "completion 1 of the batch (0 to 1) on the prompt 'p', which is empty" in text
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_exception_in_a_batch_says_so(my_rewards):
    with pytest.raises(RunError, match=r"len\(c\).* on a batch of 2; the first begins 'abc'"):
        score("divides_batch", ["abc", ""])


def test_a_reward_cannot_end_the_run_as_if_all_were_well(my_rewards):
    with pytest.raises(RunError, match="SystemExit"):
        score("leaves", ["a"])


def test_a_function_that_forgot_async(my_rewards):
    (my_rewards / "lazy.py").write_text(
        "async def work(c): return 1.0\n"
        "def one(completion): return work(completion)\n"
        "def batch(completions): return work(completions)\n"
    )
    for function in ("one", "batch"):
        reward = build_rewards({"mine": {"target": f"lazy.py:{function}"}}, context=RewardContext())[0]
        with pytest.raises(RunError, match="coroutine"):
            reward(["p"], ["c"])
