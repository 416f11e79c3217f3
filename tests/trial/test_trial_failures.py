"""`grpo-reward replay`: failures that a real guard recorded, run again, shown before and after."""

from __future__ import annotations

import io
import json

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.trial.failures import print_replayed, read_failures, replay_failures

BROKEN = """import time

def mine(completion, answer):
    if completion == "slow":
        time.sleep(60)
    return 1 / (completion != answer)
"""
MENDED = BROKEN.replace("time.sleep(60)", "return 0.0")


@pytest.fixture
def file(tmp_path):
    """What a run leaves whose reward hangs on one completion and divides by zero on another."""
    source = tmp_path / "scored_by.py"
    source.write_text(BROKEN)
    entries = {"mine": {"target": f"{source}:mine", "timeout": 0.3, "on_error": "skip"}}
    context = RewardContext()
    path = tmp_path / "reward_failures.jsonl"
    with Guard(build_rewards(entries, context=context), entries, context=context, failures=path) as guard:
        scores = guard.rewards[0](["p"] * 3, ["slow", "8", "9"], answer=["8"] * 3)
    assert scores == [None, None, 1.0]
    source.write_text(MENDED)
    with path.open("a") as torn:
        torn.write('{"torn')
    return path


def test_each_failure_is_run_again(file):
    replayed = replay_failures(file)
    assert sorted((r.was, r.now, r.values) for r in replayed) == [("error", "error", None), ("timeout", "ok", [0.0])]
    out = io.StringIO()
    print_replayed(replayed, out)
    for words in ("1 of 2 still fail", "ZeroDivisionError", "source file has changed"):
        assert words in out.getvalue()
    assert [r.line for r in replay_failures(file, 2)] == [2]


def test_a_reward_that_takes_the_tokenizer_gets_the_runs(tmp_path):
    (tmp_path / "scored_by.py").write_text(
        "def mine(completion, tokenizer): return len(tokenizer(completion)['input_ids'])\n"
    )
    (tmp_path / "config.yaml").write_text("model: {name: embedded, tokenizer: null, chat_template: null}\n")
    record = {
        "reward": "mine",
        "entry": {"target": f"{tmp_path}/scored_by.py:mine"},
        "kind": "error",
        "form": "completion",
        "facts": {"seed": 0, "prompt_opens_think": False},
        "prompt": "p",
        "completion": "8",
        "columns": {},
    }
    (tmp_path / "reward_failures.jsonl").write_text(json.dumps(record) + "\n")

    assert [r.values for r in replay_failures(tmp_path)] == [[1.0]]


def test_one_line_alone(file):
    assert [line for line, _ in read_failures(file, 2)] == [2]
    with pytest.raises(ConfigError, match=r"--line 3: .* has 2 failures, in lines 1, 2"):
        read_failures(file, 3)


def test_a_run_folder_stands_for_its_file(file, tmp_path):
    assert len(read_failures(tmp_path)) == 2
    file.unlink()
    with pytest.raises(ConfigError, match="is no run folder"):
        read_failures(tmp_path)
    (tmp_path / "config.yaml").touch()
    assert read_failures(tmp_path) == []
    out = io.StringIO()
    print_replayed([], out)
    assert "no failure" in out.getvalue()


def test_what_is_no_such_file(tmp_path):
    (tmp_path / "rows.txt").write_text("hello\n")
    with pytest.raises(ConfigError, match="holds no recorded failure"):
        read_failures(tmp_path / "rows.txt")
    with pytest.raises(ConfigError, match=r"did you mean 'rows.txt'"):
        read_failures(tmp_path / "row.txt")
