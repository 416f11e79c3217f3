"""Objectives as a configuration, a result and a sweep's record hold them."""

import json
import math

from omegaconf import OmegaConf

from grpo_cli.runs.compare import _outcome
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.objectives import Objective, as_result, objectives_in, objectives_of, short_names, values_in
from grpo_cli.runs.sweep import Sweep, find_unfinished, judged_by

ACCURACY, LENGTH = Objective("eval/held_out/accuracy"), Objective("eval/held_out/completion_length", "minimize")


def test_a_result_of_one_objective_holds_one_and_of_several_all():
    metrics = {ACCURACY.name: 0.5, LENGTH.name: 31.0}
    assert as_result([LENGTH], metrics) == {"objective": {"name": LENGTH.name, "value": 31.0, "direction": "minimize"}}
    both = as_result([ACCURACY, LENGTH], metrics)
    assert both["objective"] == both["objectives"][0] and len(both["objectives"]) == 2
    assert objectives_in(both) == [ACCURACY, LENGTH] and values_in(both) == [0.5, 31.0]
    assert objectives_in({}) == [] and values_in({"objective": None}) == []


def test_a_composed_configuration_is_read_as_plain_containers_are():
    keys = {"objective": [ACCURACY.name, LENGTH.name], "direction": "minimize"}
    assert objectives_of(OmegaConf.create(keys)) == objectives_of(keys)
    assert [o.direction for o in objectives_of(keys)] == ["minimize"] * 2


def test_short_names_stay_different():
    assert short_names([ACCURACY, Objective("eval/hard/accuracy")]) == ["accuracy", "hard/accuracy"]
    assert short_names([ACCURACY, Objective("accuracy")]) == [ACCURACY.name, "accuracy"]


def test_a_sweep_records_every_objective_and_tells_its_sweeper(tmp_path):
    sweep = Sweep(tmp_path, [["seed=1"], ["seed=2"], ["seed=3"]])
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["objective"] == "objective" and "objectives" not in record
    sweep.judge_by([ACCURACY, LENGTH])
    result = as_result(sweep.objectives, {ACCURACY.name: 0.5, LENGTH.name: 31.0})
    sweep.jobs[0].take({**result, "status": "completed", "seconds": 2.5})
    sweep.jobs[1].take({**as_result(sweep.objectives, {ACCURACY.name: 0.25}), "status": "pruned"})
    sweep.jobs[2].take({"status": "failed"})
    sweep.save()
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert (record["objective"], record["direction"]) == ACCURACY
    assert judged_by(record) == [ACCURACY, LENGTH]
    assert record["jobs"][0]["objectives"] == [0.5, 31.0] and record["jobs"][0]["objective"] == 0.5
    assert record["jobs"][2]["objectives"] is None and record["jobs"][2]["objective"] is None
    assert sweep.returned(sweep.jobs[0]) == [0.5, 31.0]
    first, second = sweep.returned(sweep.jobs[1])
    assert first == 0.25 and math.isnan(second)
    assert len(sweep.returned(sweep.jobs[2])) == 2  # as many as a sampler expects


def test_a_sweep_of_one_objective_tells_a_number(tmp_path):
    sweep = Sweep(tmp_path, [["seed=1"], ["seed=2"]])
    sweep.judge_by([LENGTH])
    sweep.jobs[0].take({**as_result([LENGTH], {LENGTH.name: 31.0}), "status": "completed"})
    sweep.save()
    assert sweep.returned(sweep.jobs[0]) == 31.0 and math.isnan(sweep.returned(sweep.jobs[1]))
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert judged_by(record) == [LENGTH] and "directions" not in record


def test_what_auto_stands_for_is_not_known_before_a_job_was_checked(tmp_path):
    sweep = Sweep(tmp_path, [["seed=1"]])
    sweep.judge_by([Objective("auto"), LENGTH])
    assert [o.name for o in sweep.objectives] == ["objective", LENGTH.name]
    sweep.judge_by([])
    assert len(sweep.objectives) == 2


def test_pruned_jobs_are_not_run_again(tmp_path):
    sweep = Sweep(tmp_path / "a", [["seed=1"], ["seed=2"]], ["seed=1,2"])
    sweep.process = None
    sweep.jobs[0].status, sweep.jobs[1].status = "completed", "pruned"
    sweep.save()
    assert find_unfinished(tmp_path, ["seed=1,2"]) is None
    sweep.jobs[0].status = "failed"
    sweep.save()
    assert find_unfinished(tmp_path, ["seed=1,2"]) == tmp_path / "a"


def test_two_runs_are_compared_by_every_objective(tmp_path):
    folder = RunFolder(tmp_path)
    write_json(folder.result, as_result([ACCURACY, LENGTH], {ACCURACY.name: math.nan, LENGTH.name: 31.0}))
    assert _outcome(folder) == _outcome(folder)  # a NaN is compared as it was written
    assert _outcome(folder)[LENGTH.name] == 31.0
