"""The command itself, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from grpo_cli import __version__
from grpo_cli.config.places import conf_dir


def grpo_train(cwd: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grpo_cli.commands.train", *argv],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(conf_dir().parent), "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )


def test_help_lists_groups_choices_and_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "my_own.yaml").write_text("# @package _global_\n")
    done = grpo_train(tmp_path, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for word in ("model", "embedded", "dr_grpo", "vllm_colocate", "my_own", "Exit codes", "--fields"):
        assert word in done.stdout
    assert len(done.stdout.splitlines()) < 60


def test_version(tmp_path: Path) -> None:
    assert grpo_train(tmp_path, "--version").stdout == f"grpo-train {__version__}\n"


def test_fields_are_tab_separated_in_a_pipe(tmp_path: Path) -> None:
    done = grpo_train(tmp_path, "--fields", "loss_type")
    key, kind, default, text, choices = done.stdout.splitlines()[0].split("\t")
    assert (key, kind, default) == ("training.loss_type", "str", "dapo")
    assert "loss" in text and "dr_grpo" in choices
    assert len(grpo_train(tmp_path, "--fields").stdout.splitlines()) > 220
    assert all(line.startswith("peft.") for line in grpo_train(tmp_path, "--fields", "peft.*").stdout.splitlines())


def test_fields_without_a_match_suggests(tmp_path: Path) -> None:
    done = grpo_train(tmp_path, "--fields", "training.lerning_rate")
    assert done.returncode == 2
    assert done.stderr == "grpo-train: No key matches 'training.lerning_rate'; did you mean training.learning_rate?\n"


def test_cfg_job_prints_and_makes_nothing(tmp_path: Path) -> None:
    done = grpo_train(tmp_path, "--cfg", "job", "training.learning_rate=3e-6")
    assert done.returncode == 0 and "learning_rate: 3.0e-06" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_exits_2_with_one_line(tmp_path: Path) -> None:
    done = grpo_train(tmp_path, "training.lerning_rate=1")
    assert done.returncode == 2
    assert done.stderr == "grpo-train: training.lerning_rate: no such key; did you mean training.learning_rate?\n"
    assert done.stdout == "" and list(tmp_path.iterdir()) == []
