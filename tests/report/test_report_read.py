"""Reading run folders in every state they can be in."""

from __future__ import annotations

import math

import pytest
from recorded import record_run

from grpo_cli.errors import ConfigError
from grpo_cli.report.read import by_step, find_runs, read_run, series
from grpo_cli.report.settings import differing


def test_a_whole_run_is_read(tmp_path):
    run = read_run(record_run(tmp_path / "run", config={"training.learning_rate": 1e-4}))
    assert run.status == "completed"
    assert [r["step"] for r in run.evals] == [0, 10, 20]
    assert len(run.train) == 20
    assert run.overrides == ["training.learning_rate=0.0001"]
    assert run.config["training"]["learning_rate"] == 1e-4
    assert run.provenance["git"]["branch"] == "main"


def test_an_empty_folder_and_a_torn_line_are_no_problem(tmp_path):
    empty = read_run(tmp_path)
    assert (empty.status, empty.train, empty.evals, empty.config) == ("not started", [], [], {})
    root = record_run(tmp_path / "run", steps=3, every=None)
    with (root / "metrics.jsonl").open("ab") as out:
        out.write(b'{"kind": "train", "step": 4, "rew')
    (root / "config.yaml").write_text("{torn", encoding="utf-8")
    run = read_run(root)
    assert [r["step"] for r in run.train] == [1, 2, 3]
    assert run.config == {}


def test_secrets_stay_references(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hidden")
    root = record_run(tmp_path / "run", steps=1)
    (root / "config.yaml").write_text("a: ${oc.env:MY_TOKEN}\n", encoding="utf-8")
    assert read_run(root).config == {"a": "${oc.env:MY_TOKEN}"}


def test_what_is_no_number_is_kept_as_such():
    records = [{"step": 1, "loss": "nan"}, {"step": 2, "loss": 0.5}, {"step": 3}, {"step": 4, "loss": True}]
    assert [(s, v) for s, v in series(records, "loss") if not math.isnan(v)] == [(2, 0.5)]
    assert math.isnan(series(records, "loss")[0][1])


def test_of_a_step_logged_twice_the_later_counts_and_evaluations_of_a_step_are_one():
    logs = [{"kind": "train", "step": 1, "a": 1, "b": 1}, {"kind": "train", "step": 1, "a": 2}, {"kind": "train"}]
    assert by_step(logs) == [{"kind": "train", "step": 1, "a": 2}]
    two = [{"kind": "eval", "step": 0, "eval/a/x": 1}, {"kind": "eval", "step": 0, "eval/b/x": 2}]
    assert by_step(two) == [{"kind": "eval", "step": 0, "eval/a/x": 1, "eval/b/x": 2}]


def test_a_folder_of_runs_means_its_runs_in_order(tmp_path):
    for name in ("10", "9", "x"):
        record_run(tmp_path / "sweep" / name, steps=1)
    (tmp_path / "sweep" / "logs").mkdir()
    alone = record_run(tmp_path / "alone", steps=1)
    found = find_runs([tmp_path / "sweep", alone, tmp_path / "sweep" / "9"])
    assert [p.name for p in found] == ["9", "10", "x", "alone"]


def test_what_is_no_run_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        find_runs([tmp_path / "missing", tmp_path / "file", tmp_path])
    missing, file, none = caught.value.problems
    assert "missing is not there; name the folder of a run" in missing
    assert "file is a file" in file
    assert "holds no run" in none


def test_settings_that_only_some_runs_have_stand_beside_trls_default():
    plain = {"training": {"max_steps": 9}, "evaluation": {"datasets": {}}}
    changed = {"training": {"max_steps": 9, "beta": 0.04}, "evaluation": {"datasets": {"hard": {"path": "x"}}}}
    assert dict(differing([plain, changed])) == {
        "evaluation.datasets.hard.path": ["not set", "x"],
        "training.beta": ["0.0", "0.04"],
    }
