"""`grpo-reward replay`: records read, run again, and shown before and after."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.trial.failures import print_replayed, read_failures, replay_failures


@dataclass
class Outcome:
    kind: str
    values: list | None = None
    message: str = ""
    seconds: float = 0.5
    source_changed: bool = False
    cut: dict = field(default_factory=dict)


def again(record, context):
    """Stands for the guard: a failure whose completion says so is mended."""
    if record["completion"] == "mended":
        return Outcome("ok", [1.0], source_changed=True)
    return Outcome("timeout", message="after 0.5 s", cut={"completion": "300000 characters"})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "reward_failures.jsonl"
    records = [
        {"reward": "math", "kind": "timeout", "message": "after 10 s", "completion": "mended"},
        {"reward": "math", "kind": "error", "message": "ValueError: no", "completion": "still bad"},
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"torn')
    return path


def test_each_failure_is_run_again(file):
    replayed = replay_failures(file, replay=again)
    assert [(r.line, r.was, r.now, r.values) for r in replayed] == [
        (1, "timeout", "ok", [1.0]),
        (2, "error", "timeout", None),
    ]
    out = io.StringIO()
    print_replayed(replayed, out)
    for words in ("1 of 2 still fail", "ValueError: no", "source file has changed", "completion is not whole"):
        assert words in out.getvalue()
    assert [r.line for r in replay_failures(file, 2, again)] == [2]


def test_a_reward_that_takes_the_tokenizer_gets_the_runs(tmp_path):
    given = []
    (tmp_path / "mine.py").write_text("def mine(completion, tokenizer): return 1.0\n")
    (tmp_path / "config.yaml").write_text("model: {name: embedded, tokenizer: null, chat_template: null}\n")
    record = {
        "reward": "mine",
        "entry": {"target": f"{tmp_path}/mine.py:mine"},
        "kind": "error",
        "completion": "mended",
    }
    (tmp_path / "reward_failures.jsonl").write_text(json.dumps(record) + "\n")

    def remember(record, context):
        given.append(context.tokenizer("8")["input_ids"])
        return again(record, context)

    assert not replay_failures(tmp_path, replay=remember)[0].fails
    assert len(given[0]) == 1


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
