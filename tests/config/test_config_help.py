"""--help and --fields: what they show, and that the examples are real."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grpo_cli.sweep import multirun


def test_examples_are_real(command: Callable, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multirun, "_current", None)  # put back after the multirun
    (workdir / "rows.jsonl").write_text('{"prompt": "What is 1+1?", "answer": "2"}\n')
    (workdir / "my_rewards.py").write_text("def polite(completion):\n    return 1.0\n")
    lines = [line.strip() for line in command("--help").out.splitlines() if line.startswith("  grpo-train")]
    examples = [shlex.split(line.split("    ")[0].split("  ")[0])[1:] for line in lines if "<" not in line]
    assert len(examples) >= 8
    for argv in examples:
        done = command(*argv, "dry_run=true")
        assert (done.code, done.err) == (0, ""), argv
        assert "grpo_cli.training.worker" in done.out


def test_choices_of_the_users_own_conf_are_marked(command: Callable, workdir: Path) -> None:
    (workdir / "conf" / "experiment").mkdir(parents=True)
    (workdir / "conf" / "experiment" / "mine.yaml").touch()
    shown = command("--help").out
    assert "mine*" in shown
    assert "lora," in shown and "lora*" not in shown


def test_fields_in_a_terminal(command: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    one = command("--fields", "training.loss_type").out
    assert one.startswith("training.loss_type  str, default dapo\n    Specifies the loss formulation")
    assert "Choices: grpo, dr_grpo" in one and "constant corresponds to" in one
    several = command("--fields", "training.*").out
    assert "constant corresponds to" not in several and "191 keys;" in several
    assert max(map(len, several.splitlines())) <= 120
