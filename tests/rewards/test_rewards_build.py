from __future__ import annotations

import asyncio
import inspect
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grpo_cli.config.importer import import_target
from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.build import RewardContext, build_rewards

ROOT = Path(__file__).resolve().parents[2]


def build(function, context=None, **entry):
    target = function if ":" in function else f"my_rewards.py:{function}"
    return build_rewards({"mine": {"target": target, **entry}}, context=context or RewardContext())[0]


def call(reward, completions, **columns):
    prompts = columns.pop("prompts", ["p"] * len(completions))
    return reward(prompts=prompts, completions=completions, completion_ids=[[1]] * len(completions), **columns)


def test_one_completion_function(my_rewards):
    reward = build("one", tone="cold")

    assert reward.columns == ("answer",)
    assert call(reward, ["cold 5", "warm 5", ""], answer=["5", "6", "7"], other=[1, 2, 3]) == [2.0, 0.0, 0.0]
    assert call(build("one"), ["warm"], answer=["5"]) == [1.0]
    assert call(build("text_first"), ["abc"], text=["a column"]) == [3.0]


def test_conversational_completions_reach_a_one_completion_function_as_text(my_rewards):
    completions = [[{"role": "assistant", "content": "abc"}], [{"role": "assistant", "content": None}]]

    assert call(build("text_first"), completions) == [3.0, 0.0]


def test_trl_signature_with_and_without_kwargs(my_rewards):
    assert call(build("batch"), ["a1", "b"], answer=["1", "2"], other=[1, 2]) == [1.0, 0.0]
    assert call(build("bare"), ["abc", ""], answer=["1", "2"], trainer_state=None) == [3.0, 0.0]


def test_what_trl_adds_is_forwarded_to_kwargs(my_rewards):
    call(build("seen", tone="warm"), ["a"], answer=["1"], trainer_state="state", log_extra=print)
    kwargs = import_target("my_rewards.py:seen").kwargs

    assert kwargs["completion_ids"] == [[1]]
    assert kwargs["answer"] == ["1"]
    assert kwargs["tone"] == "warm"
    assert kwargs["trainer_state"] == "state"
    assert kwargs["log_extra"] is print
    assert callable(kwargs["log_metric"])
    assert "seed" not in kwargs


def test_config_wins_over_a_column_of_the_same_name(my_rewards):
    assert call(build("one", tone="a"), ["a"], answer=["-"], tone=["b"]) == [1.0]
    assert call(build("warm"), ["hot"], answer=["-"], tone=["cold"]) == [1.0]


def test_facts_of_the_run_for_those_who_ask(my_rewards):
    context = RewardContext(tokenizer="tok", device="cpu", seed=7, prompt_opens_think=True)
    prompts = [[{"role": "user", "content": "hi"}], "hi"]

    assert call(build("wants_run", context), ["", ""], prompts=prompts, trainer_state="state") == [1.0, 0.0]


def test_classes_partials_and_factories(my_rewards):
    assert call(build("Polite", scale=2), ["please", ""]) == [2.0, 0.0]
    assert build("warm").columns == ("answer",)
    assert call(build("factory", size=4), ["a", "b"]) == [4.0, 4.0]
    trl = build("trl.rewards:get_repetition_penalty_reward", ngram_size=1, max_penalty=-1.0)
    assert trl([""], [""], [[5, 5]]) == [-0.5]


@pytest.mark.slow
def test_trl_sees_what_is_async(my_rewards):
    from trl.trainer.utils import get_callable_name, is_async_callable

    assert is_async_callable(build("later"))
    assert is_async_callable(build("PoliteLater"))
    assert not is_async_callable(build("one"))
    assert get_callable_name(build("later")) == "mine"


def test_async_rewards_run_together(my_rewards):
    reward = build("later")
    start = time.perf_counter()

    assert inspect.iscoroutinefunction(reward.__call__)
    assert asyncio.run(call(reward, ["a" * n for n in range(20)])) == [float(n) for n in range(20)]
    assert time.perf_counter() - start < 0.5
    assert asyncio.run(call(build("later_batch"), ["abc"])) == [3.0]
    assert asyncio.run(call(build("PoliteLater"), ["please"])) == [1.0]


def test_a_failing_async_reward_cancels_the_rest(my_rewards):
    start = time.perf_counter()
    with pytest.raises(RunError, match=r"completion 1 of the batch.*'no'"):
        asyncio.run(call(build("later_fails"), ["a", "no", "b"]))

    assert time.perf_counter() - start < 5


def test_two_rewards_of_one_target(my_rewards):
    entry = {"target": "grpo_cli.rewards.length:length"}
    rewards = build_rewards(
        {"length": entry, "short": {**entry, "target_length": 1, "weight": 0}}, context=RewardContext()
    )

    assert [reward.__name__ for reward in rewards] == ["length", "short"]
    assert [reward.weight for reward in rewards] == [1.0, 0.0]
    assert [call(reward, ["abc"]) for reward in rewards] == [[3.0], [-2.0]]


def test_built_ins_know_the_row_they_are_given():
    form = build("grpo_cli.rewards.form:format", RewardContext(prompt_opens_think=True))
    prompts = [[{"role": "user", "content": "hi"}], "hi"]
    assert call(form, ["a</think><answer>b</answer>"] * 2, prompts=prompts) == [1.0, 0.0]

    tokens = build("grpo_cli.rewards.length:length", unit="tokens")
    assert tokens(["p", "p"], ["a", "b"], [[1, 2], [1]]) == [2.0, 1.0]

    match = build("grpo_cli.rewards.correctness:exact_match", correctness=True, pattern=None)
    assert match.correctness and match.columns == ("answer",)
    assert call(match, ["It is 5"], answer=[5.0], pattern=["a column, not the option"]) == [1.0]


def test_a_reward_survives_pickling_into_another_process(my_rewards):
    rewards = [build("one", tone="cold", weight=0.5), build("Polite", scale=2), build("later")]
    copies = pickle.loads(pickle.dumps(rewards))
    assert [(c.__name__, c.weight, type(c)) for c in copies] == [(r.__name__, r.weight, type(r)) for r in rewards]

    code = "import pickle, sys; r = pickle.load(sys.stdin.buffer); print(r(['p'], ['cold'], None, answer=['1']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(rewards[0]),
        capture_output=True,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stdout.decode().strip() == "[1.0]", done.stderr.decode()


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        ("one", {"tonne": "x"}, r"reward\.mine\.tonne.*did you mean 'tone'"),
        ("one", {"completion": "x"}, r"reward\.mine\.completion: .* has no argument"),
        ("batch", {"completions": ["x"]}, r"reward\.mine\.completions"),
        ("batch", {"answr": "x"}, r"did you mean 'answer'"),
        ("Polite", {}, r"needs scale: write reward\.mine\.scale=<value>\.$"),
        ("Polite", {"scale": 1, "wrod": "hi"}, r"wrod.*did you mean 'word'"),
        ("factory", {}, r"needs size"),
        ("misnamed", {}, r"needs response, answer.*first parameter is completions"),
        ("NoCall", {}, r"gives a NoCall, not a function"),
        ("a_number", {}, r"is a int, not a function"),
        ("by_position", {}, r"only be passed by position"),
        ("nobody", {}, r"has no 'nobody'"),
        (
            "grpo_cli.rewards.reward_model:RewardModel",
            {"model": "./nowhere"},
            r"reward\.mine: .*nowhere cannot be",
        ),
    ],
)
def test_wrong_configurations(my_rewards, function, options, message):
    with pytest.raises(ConfigError, match=message):
        build(function, **options)


def test_all_problems_are_told_at_once(my_rewards):
    cfg = {
        "a": {"target": "my_rewards.py:nobody"},
        "b": {"weight": 1},
        "c": {"target": "my_rewards.py:one", "x": 1},
    }
    with pytest.raises(ConfigError) as caught:
        build_rewards(cfg, context=RewardContext())

    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        (["prompt", "solution"], ["prompt, solution", "dataset.columns.answer=solution"]),
        (["prompt", "Answers"], ["dataset.columns.answer=Answers"]),
        (["prompt"], ["dataset.columns.answer=<theirs>", "reward.mine.answer=<value>"]),
    ],
)
def test_a_missing_column_is_told_before_training(my_rewards, columns, parts):
    with pytest.raises(ConfigError) as caught:
        build("one", RewardContext(columns=columns))

    for part in ["reward 'mine' needs the column 'answer'", *parts]:
        assert part in str(caught.value)


def test_columns_that_are_there_or_not_needed(my_rewards):
    assert build("one", RewardContext(columns=["prompt", "answer"])).columns == ("answer",)
    assert build("one", RewardContext(columns=["prompt"]), answer="5").columns == ()
    assert build("bare", RewardContext(columns=["prompt"])).columns == ()
