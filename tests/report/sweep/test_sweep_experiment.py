"""A job as an experiment: whatever its overrides are, the file composes to the same configuration."""

from __future__ import annotations

import pytest
from sweeps import record_sweep

from grpo_cli.errors import ConfigError
from grpo_cli.report.sweep.experiment import compose, write_experiment
from grpo_cli.report.sweep.read import read_sweep
from grpo_cli.report.sweep.standings import standings
from grpo_cli.runs.resume import fingerprint

CASES = {
    "plain keys": [
        "training.learning_rate=1e-4",
        "training.max_steps=7",
        "evaluation.every=0.5",
        "model.dtype=float32",
    ],
    "groups": ["algorithm=dapo", "peft=lora", "reward=[exact_match,format]", "reward.format.weight=0.3"],
    "one reward": ["reward=[format]"],
    "appended group": ["+reward=format", "reward.format.weight=0.5"],
    "group at a place": ["+reward@reward.twice=exact_match", "+dataset@evaluation.datasets.sums=addition"],
    "own reward": ["reward=[]", "+reward.mine.target=mine.py:polite", "+reward.mine.weight=2"],
    "a group with settings of its own over the training keys": ["model=hub", "model.name=some/model"],
    "experiment": ["experiment=addition_format", "algorithm=dr_grpo", "training.max_steps=9"],
    "debug": ["debug=smoke", "training.max_steps=3"],
    "types": [
        "training.beta=0.0",
        "training.bf16=false",
        "name='true'",
        "training.run_name='1e-3'",
        "model.revision=null",
    ],
    "lists and mappings": ["evaluation.k=[1,4]", "evaluation.early_stopping={metric: auto, patience: 2}"],
    "quotes": ["evaluation.best.metric='eval/held_out/accuracy'", "dataset.system_prompt='Say: \\'#1\\', \"now\"'"],
    "interpolation": ["training.max_steps=${evaluation.limit}"],
    "how it is run is left out": ["launch.slots=2", "display=plain", "hydra.run.dir=x", "training.learning_rate=2e-4"],
}


def board_of(tmp_path, overrides, seed="seed=5"):
    wanted = [o for o in overrides if not o.startswith(("hydra", "launch.slots"))]
    job = {"overrides": [*overrides, seed], "value": 0.5, "config": compose([*wanted, seed])}
    return standings(read_sweep(record_sweep(tmp_path / "sweep", [job])))


@pytest.mark.parametrize("case", CASES)
def test_an_experiment_composes_to_the_job_s_configuration(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    board = board_of(tmp_path, CASES[case])
    path, differing = write_experiment(board, "best")
    text = path.read_text()
    assert path == tmp_path / "conf/experiment/best.yaml" and text.startswith("# @package _global_\n# ")
    assert differing == []
    assert not any(line.startswith(("seed:", "launch:", "display:", "hydra:")) for line in text.splitlines())


def test_a_run_of_the_experiment_has_the_job_s_fingerprint_but_for_the_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    board = board_of(tmp_path, CASES["groups"])
    write_experiment(board, "best")
    job = fingerprint(board.sweep.trials[0].run.config, {})
    assert fingerprint(compose(["experiment=best", "seed=5"]), {}) == job
    assert fingerprint(compose(["experiment=best"]), {}) != job


def test_a_training_key_taken_away_is_written_as_trl_s_own_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, differing = write_experiment(board_of(tmp_path, ["~training.adam_beta2"]), "best")
    assert "adam_beta2: 0.999" in path.read_text()
    assert all(line.startswith("training.adam_beta2") for line in differing)


def test_a_group_taken_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, differing = write_experiment(board_of(tmp_path, ["~tracker"]), "best")
    assert "override /tracker: null" in path.read_text() and differing == []


def test_what_an_experiment_cannot_say_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"takes evaluation.limit away.*grpo-train ~evaluation.limit"):
        write_experiment(board_of(tmp_path, ["~evaluation.limit"]), "best")
    assert not (tmp_path / "conf").exists()


def test_nothing_is_replaced_or_hidden_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    board = board_of(tmp_path, ["training.max_steps=7"])
    write_experiment(board, "best")
    with pytest.raises(ConfigError, match=r"best.yaml is there already.*--force"):
        write_experiment(board, "best")
    write_experiment(board, "best", force=True)
    with pytest.raises(ConfigError, match="comes with grpo-train"):
        write_experiment(board, "dialogue")
    with pytest.raises(ConfigError, match="is no name"):
        write_experiment(board, "../x")
    with pytest.raises(ConfigError, match="no such job; write a number up to 0"):
        write_experiment(board, "other", job=4)
