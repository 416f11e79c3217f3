"""Where rewards run, and what they are given there."""

import os
import time
from types import SimpleNamespace

import pytest

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.build import RewardContext
from grpo_cli.rewards.guard import here

STATE = SimpleNamespace(global_step=3, max_steps=10, log_history=object())


@pytest.mark.parametrize(
    ("target", "isolate", "where"),
    [
        ("pid", "auto", "workers"),
        ("pid", "here", "here"),
        ("batch", "auto", "workers"),
        ("Counter", "auto", "workers"),
        ("Needy", "auto", "here"),
        ("needs_state", "auto", "here"),
        ("slow_here", "auto", "here"),
        ("later", "auto", "here"),
    ],
)
def test_where_a_reward_runs(guard, target, isolate, where):
    (reward,) = guard(mine={"target": target, "isolate": isolate}).rewards

    assert reward.placement.where == where
    if target in ("pid", "needs_state"):
        (found,) = reward(["p"], ["c"], trainer_state=STATE)
        assert (found == os.getpid()) == (where == "here")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"target": "slow_here", "isolate": "workers"}, r"isolate cannot be workers: it takes tokenizer"),
        ({"target": "later", "isolate": "workers"}, r"isolate cannot be workers: it is async"),
        ({"target": "batch", "cache": True}, r"cache=true needs a function of one completion"),
    ],
)
def test_what_cannot_be_had_is_said_before_training(guard, entry, message):
    with pytest.raises(ConfigError, match=message):
        guard(mine=entry)


def test_a_batch_function_gets_the_trainer_s_things_in_a_worker_too(guard):
    (reward,) = guard(mine={"target": "batch"}).rewards
    logged = []
    trainer = {
        "trainer_state": STATE,
        "log_metric": lambda *a: logged.append(a),
        "log_extra": lambda *a: logged.append(a),
    }

    assert reward(["p"] * 2, ["ab", ""], None, answer=["1", "2"], **trainer) == [5.0, 3.0]
    assert logged == [("seen", 2.0), ("note", ["n0", "n1"])]


def test_an_object_keeps_its_state_until_it_must_be_killed(guard):
    made = guard(mine={"target": "Counter", "timeout": 0.3, "start": 5})
    (reward,) = made.rewards

    assert [reward(["p"] * 3, ["a"] * 3) for _ in range(3)] == [[6.0] * 3, [7.0] * 3, [8.0] * 3]
    started = time.perf_counter()
    assert reward(["p"] * 3, ["a", "hang", "c"]) == [None] * 3
    assert 0.6 <= time.perf_counter() - started < 2  # 3 completions on 2 workers: two rounds
    assert "its object starts anew, without its state" in made.warnings[0]
    assert reward(["p"], ["a"]) == [6.0]


def test_equal_completions_of_equal_rows_are_scored_once(guard, tmp_path):
    file = tmp_path / "noted.txt"
    made = guard(mine={"target": "noted", "file": str(file), "cache": True, "timeout": 0.2, "on_error": "skip"})
    (reward,) = made.rewards
    texts, answers = ["a", "bb", "a", "a", "hang"], ["1", "1", "1", "2", "1"]

    for _ in range(2):
        assert reward(["p"] * 5, list(texts), answer=answers) == [1.0, 2.0, 1.0, 1.0, None]
    assert sorted(file.read_text().split()) == ["a", "a", "bb", "hang", "hang"]  # a failure is not kept


def test_scores_do_not_depend_on_the_number_of_workers(guard):
    texts = [f"{'x' * (i % 7)}" for i in range(100)]
    results = [
        guard(settings={"workers": workers}, mine={"target": "waits", "seconds": 0.001}).rewards[0](["p"] * 100, texts)
        for workers in (1, 3)
    ]
    assert results[0] == results[1] == [float(len(text)) for text in texts]


def test_the_cores_of_a_machine_are_shared_among_its_ranks(guard, monkeypatch):
    monkeypatch.setattr("grpo_cli.rewards.guard.limits.cores", lambda: 9)
    workers = []
    for ranks in ("1", "2", "4", "16"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
        workers.append(guard(settings={"workers": "auto"}, mine={"target": "slow_here"}).workers)
    assert workers == [9, 4, 2, 1]


def test_a_column_that_cannot_be_sent_is_named(guard):
    (reward,) = guard(mine={"target": "batch"}).rewards

    with pytest.raises(RunError, match=r"takes 'answer', which cannot be sent .*reward\.mine\.isolate=here"):
        reward(["p"], ["c"], answer=[lambda: 1])


def test_what_overruns_in_the_training_process_ends_the_run_by_name(guard, tmp_path):
    made = guard(mine={"target": "slow_here", "timeout": 0.3, "on_error": "skip"})
    (reward,) = made.rewards
    assert reward(["p"] * 2, ["a", "b"]) == [1.0, 1.0]
    started = time.perf_counter()

    with pytest.raises(RunError, match=r"'mine' takes longer than its 0\.3 s, .* on completion 1 of the batch"):
        reward(["p"] * 2, ["a", "hang"])
    assert time.perf_counter() - started < 2
    assert '"kind": "timeout"' in (tmp_path / "failures.jsonl").read_text()


def test_async_completions_run_together_and_each_has_its_deadline(guard):
    (reward,) = guard(mine={"target": "later", "timeout": 1.0}).rewards
    started = time.perf_counter()

    assert reward(["p"] * 30, ["a"] * 29 + ["hang"]) == [1.0] * 29 + [None]
    assert time.perf_counter() - started < 2


def test_an_async_failure_cancels_the_rest_where_it_ends_the_run(guard):
    (reward,) = guard(mine={"target": "later", "timeout": 20.0}).rewards
    started = time.perf_counter()

    with pytest.raises(RunError, match=r"KeyError: 'no'.* on completion 2 of the batch"):
        reward(["p"] * 3, ["hang", "a", "no"])
    assert time.perf_counter() - started < 2
    assert reward(["p"], ["a"]) == [1.0]


def test_an_async_function_that_blocks_its_loop_is_told(guard, monkeypatch):
    monkeypatch.setattr(here, "GRACE_SECONDS", 0.2)
    (reward,) = guard(mine={"target": "later", "timeout": 0.3, "on_error": "skip"}).rewards

    with pytest.raises(RunError, match="'mine' blocks its event loop"):
        reward(["p"], ["block"])


def test_a_fact_of_the_run_reaches_the_workers(guard, bad_file):
    with bad_file.open("a") as out:
        out.write("def facts(completion, seed, prompt_opens_think):\n    return seed + prompt_opens_think\n")
    context = RewardContext(seed=7, prompt_opens_think=True)
    (reward,) = guard(context=context, mine={"target": "facts"}).rewards

    assert reward([[{"role": "user", "content": "hi"}], "hi"], ["a", "b"]) == [8.0, 7.0]
