"""`hydra.mode` is looked for where it can be set, and found there; else nothing is composed for it."""

import doctest
import sys

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig

from grpo_cli.config import compose, run_mode
from grpo_cli.config.places import conf_dir


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Run a command line; gives each job's mode and seed, and how often something was composed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["grpo-train"])
    composed = []
    real = ConfigLoaderImpl.load_configuration

    def counting(*arguments, **named):
        composed.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counting)

    def run(*argv):
        found = []
        compose.run(argv, lambda cfg, _: found.append((HydraConfig.get().mode.name, cfg.seed)))
        return found, len(composed)

    return run


def test_a_run_is_composed_once(jobs):
    assert jobs("seed=3", "hydra.run.dir=here") == ([("RUN", 3)], 1)


def test_an_experiment_of_the_users_own_may_be_a_sweep(jobs, tmp_path):
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    text = "# @package _global_\nhydra:\n  mode: MULTIRUN\n"
    (tmp_path / "conf" / "experiment" / "seeds.yaml").write_text(text)
    assert jobs("experiment=seeds", "seed=1,2", "dry_run=true")[0] == [("MULTIRUN", 1), ("MULTIRUN", 2)]


def test_the_command_line_may_say_it(jobs):
    assert jobs("hydra.mode=MULTIRUN", "seed=4,5", "dry_run=true")[0] == [("MULTIRUN", 4), ("MULTIRUN", 5)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hydra: {mode: MULTIRUN}", True),
        ("hydra:\n  mode: ${oc.env:MODE}", True),
        ("hydra:\n  searchpath: [file:///shared]", True),
        ("evaluation:\n  best: {mode: max}", False),
    ],
)
def test_files_are_looked_into(tmp_path, text, found):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "some.yaml").write_text(text)
    assert run_mode.may_be_set([], [tmp_path]) is found


def test_none_of_our_own_files_sets_it():
    assert not run_mode.may_be_set([], [conf_dir()])


def test_doctests():
    assert doctest.testmod(run_mode).attempted and not doctest.testmod(run_mode).failed
