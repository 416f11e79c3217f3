"""What becomes of failures: scores, errors, warnings, the window, the file, the replay."""

import json
import re

import pytest

from grpo_cli.errors import RunError
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.failures import Journal, Window
from grpo_cli.rewards.guard.replay import replay
from grpo_cli.runs.jsonl import read

P = ["1+1?"] * 3


class State:
    global_step = 3
    max_steps = 10


@pytest.mark.parametrize(("on_error", "value"), [("raise", None), ("skip", None), ("zero", 0.0)])
def test_a_timeout_never_ends_a_run_by_itself(guard, on_error, value):
    made = guard(bad={"target": "bad", "timeout": 0.2, "on_error": on_error})
    (reward,) = made.rewards

    assert reward(P, ["fine", "sleep", "exit"], None, trainer_state=State()) == [1.0, value, value]
    counts = made.take_counts()["bad"]
    assert (counts.completions, counts.timeouts, counts.errors) == (3, 1, 1)
    assert made.take_counts()["bad"].completions == 0
    assert len(made.warnings) == 2
    assert made.warnings[0].startswith(
        "After 3 steps: reward 'bad' took longer than its 0.2 s and was killed on completion 1 of the batch (0 to 2) "
        f"on the prompt '1+1?', which begins 'sleep': it scores {value} and the run goes on; every failure is in "
    )


@pytest.mark.parametrize("text", ["assert", "nan", "system exit", "huge exception", "unpicklable"])
def test_an_exception_or_a_bad_value_ends_it_as_it_does_without_a_guard(guard, bad_file, text):
    made = guard(bad={"target": "bad"})
    entry = {"bad": {"target": f"{bad_file}:bad"}}
    (bare,) = build_rewards(entry, context=RewardContext())
    said = []
    for reward in (bare, *made.rewards):
        with pytest.raises(RunError) as caught:
            reward(P[:2], ["fine", text], None, trainer_state=State())
        said.append(re.sub(r"0x\w+", "0x", str(caught.value)))
    assert said[0] == said[1]
    assert said[0].startswith("After 3 steps: reward 'bad' ")


@pytest.mark.parametrize(("on_error", "value"), [("skip", None), ("zero", 0.0)])
def test_exceptions_and_bad_values_can_be_lived_with(guard, on_error, value):
    made = guard(bad={"target": "bad", "on_error": on_error})

    assert made.rewards[0](P, ["assert", "fine", "nan"]) == [value, 1.0, value]


def test_too_many_failures_end_the_run(guard):
    made = guard(settings={"window": 100}, bad={"target": "bad", "on_error": "skip", "max_failure_rate": 0.3})
    (reward,) = made.rewards
    reward(["p"] * 10, ["assert"] * 10)  # too early to tell
    reward(["p"] * 70, ["fine"] * 70)
    with pytest.raises(RunError) as caught:
        reward(["p"] * 40, ["nan"] * 35 + ["fine"] * 5)

    assert str(caught.value).startswith(
        "reward 'bad': 35 of the last 100 completions failed (35 gave no valid value), more than "
        "reward.bad.max_failure_rate=0.3 allows; all are in "
    )


def test_the_window_forgets():
    window = Window(100, 0.0)
    window.add("died", 1)
    window.add("ok", 62)
    assert window.exceeded() is None  # one short of what a share needs
    window.add("ok", 1)
    assert window.exceeded() == "1 of the last 64 completions failed (1 lost their process)"
    window.add("ok", 100)
    assert window.exceeded() is None


def test_every_failure_can_be_done_again(guard, tmp_path):
    made = guard(
        context=RewardContext(seed=5, prompt_opens_think=True),
        bad={"target": "bad", "timeout": 0.2, "on_error": "skip"},
        whole={"target": "batch", "timeout": 0.2, "on_error": "skip"},
    )
    texts = ["segfault", "sleep", "hang"]
    for reward in made.rewards:
        reward(P, texts, [[1]] * 3, answer=["a\ud800", "b", "c"], trainer_state=State(), log_metric=print)
    records = list(read(tmp_path / "failures.jsonl"))

    assert [(r["reward"], r["kind"], r["form"]) for r in records] == [
        ("bad", "died", "completion"),
        ("bad", "timeout", "completion"),
        ("whole", "timeout", "batch"),
    ]
    assert records[0]["facts"] == {"seed": 5, "prompt_opens_think": True}
    assert (records[0]["step"], records[0]["rank"], records[0]["cut"]) == (3, 0, {})
    assert records[2]["columns"] == {"answer": ["a\ud800", "b", "c"]}
    assert records[0]["columns"] == {}
    assert records[0]["entry"]["timeout"] == 0.2 and records[0]["source"]["sha256"]
    for record in records:
        again = replay(record, timeout=0.3)
        assert again.same and not again.source_changed and again.values is None
        assert f"reward '{record['reward']}'" in again.message
    fine = replay({**records[0], "completion": "fine"})
    assert (fine.kind, fine.values, fine.same, fine.message) == ("ok", [1.0], False, "")


def test_what_is_too_long_is_cut_and_said(tmp_path):
    journal = Journal(tmp_path / "f.jsonl", rank=1)
    journal.write({"reward": "x", "completion": "a" * 300_000, "columns": {"n": [1] * 100_000, "o": object()}})
    journal.write({"reward": "x", "completion": "\ud83d lone"})
    first, second = read(tmp_path / "f.jsonl")

    assert len(first["completion"]) == 200_000 and len(first["columns"]["n"]) < 100_000
    assert first["cut"] == {
        "completion": "300000 characters",
        "columns.n": "100000 items",
        "columns.o": "a object, of which only the text is kept",
    }
    assert second["completion"] == "\ud83d lone" and second["rank"] == 1
    for _ in range(1500):
        journal.write({"reward": "y"})
    assert sum(r["reward"] == "y" for r in read(tmp_path / "f.jsonl")) == 1000
    json.loads((tmp_path / "f.jsonl").read_bytes().splitlines()[0])
