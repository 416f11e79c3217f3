"""`grpo-reward replay`: records read, run again, and shown before and after."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.trial.failures import print_replayed, read_failures, replay_failures


@dataclass
class Outcome:
    kind: str
    value: float | None = None
    message: str = ""
    seconds: float = 0.5


def again(record):
    """Stands for the guard: a failure whose completion says so is mended."""
    return Outcome("value", 1.0) if record["completion"] == "mended" else Outcome("timeout", message="after 0.5 s")


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
    replayed = replay_failures(read_failures(file), again)
    assert [(r.line, r.was, r.now, r.value) for r in replayed] == [
        (1, "timeout", "value", 1.0),
        (2, "error", "timeout", None),
    ]
    out = io.StringIO()
    print_replayed(replayed, out)
    assert "1 of 2 still fail" in out.getvalue() and "ValueError: no" in out.getvalue()


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
