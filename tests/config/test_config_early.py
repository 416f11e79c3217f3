"""Misspelled keys are told before Hydra is imported, and nothing else is judged there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from grpo_cli.config.early import check_command_line
from grpo_cli.config.places import conf_dir
from grpo_cli.errors import ConfigError


def test_every_misspelled_key_and_the_wrong_values_beside_it():
    with pytest.raises(ConfigError) as raised:
        check_command_line(["training.learnin_rate=1", "+model.nmae=x", "seeed=1", "training.beta=high", "seed=1.5"])

    problems = raised.value.problems
    assert problems[:3] == [
        "training.learnin_rate: no such key; did you mean training.learning_rate?",
        "model.nmae: no such key; did you mean model.name?",
        "seeed: no such key; did you mean seed?",
    ]
    assert [p.split()[0] for p in problems[3:]] == ["training.beta", "seed"]


@pytest.mark.parametrize(
    "argument",
    [
        "training.learning_rate=3e-6",
        "training.beta=high",  # a wrong value alone waits for the full check, which finds all else too
        "training.output_dir=here",  # TRL's name for what Hydra decides
        "model=embedded",
        "reward=[format]",
        "reward.mine.target=my.py:f",
        "+reward@reward.math2=exact_match",
        "~training.beta",
        "dataset.columns.answer=solution",
        "hydra.job.num=1",
        "no_override",
        "name='a=b'",
    ],
)
def test_what_is_left_to_the_full_check(argument: str):
    check_command_line([argument])


@pytest.mark.parametrize("option", ["-m", "--cfg", "--info"])
def test_only_a_single_run_is_checked(option: str):
    check_command_line([option, "training.learnin_rate=1"])


def test_a_group_of_the_users_own_is_no_misspelled_key(tmp_path, monkeypatch):
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    check_command_line(["recipe=mine"])


def test_a_misspelled_key_is_told_without_hydra(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(conf_dir().parent)!r}); sys.argv = ['', 'training.learnin_rate=1']\n"
        "from grpo_cli.commands.train import main\n"
        "code = main(); print(code, 'hydra' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
    assert done.stderr == "grpo-train: training.learnin_rate: no such key; did you mean training.learning_rate?\n"
