"""The guard's settings are checked before anything runs, and the examples in its docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest
from omegaconf import OmegaConf
from real_runs import REPOSITORY

import grpo_cli.rewards.guard
from grpo_cli.config.schema import defaults, sections
from grpo_cli.config.values import problem
from grpo_cli.rewards.check import check_rewards

FORMAT = "grpo_cli.rewards.form:format"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("timeout", 0, "must be greater than 0, not 0"),
        ("timeout", None, "must be a number, not null"),
        ("timeout", "5", "write reward.mine.timeout=5 without them"),
        ("on_error", "rais", "cannot be rais; did you mean raise? Choices: raise, skip, zero"),
        ("max_failure_rate", 1.5, "must be at least 0 and at most 1, not 1.5"),
        ("cache", "yes", "must be true or false, not the text 'yes': write reward.mine.cache=true"),
        ("isolate", "there", "cannot be there; did you mean here? Choices: auto, workers, here"),
        ("timout", 5, "has no argument 'timout' to set; did you mean 'timeout'?"),
    ],
)
def test_each_wrong_setting_gets_one_sentence(key, value, message):
    (said,) = check_rewards({"mine": {"target": FORMAT, key: value}})

    assert said.startswith(f"reward.mine.{key}")
    assert message in said


@pytest.mark.parametrize(("workers", "fine"), [("auto", True), (3, True), (0, False), ("many", False), (1.5, False)])
def test_the_number_of_workers(workers, fine):
    assert (problem(sections()["guard"]["workers"], workers) is None) == fine


def test_the_group_s_file_says_all_keys_and_their_defaults():
    file = REPOSITORY / "conf" / "guard" / "default.yaml"

    assert OmegaConf.to_container(OmegaConf.load(file)) == defaults()["guard"]
    assert all("#" in line for line in file.read_text(encoding="utf-8").splitlines())


MODULES = sorted(module.name for module in pkgutil.iter_modules(grpo_cli.rewards.guard.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    assert doctest.testmod(importlib.import_module(f"grpo_cli.rewards.guard.{name}")).failed == 0
