"""A run of several objectives is judged like one of its first."""

import json

import pytest
from recorded import record_run

from grpo_cli.report.read import read_run
from grpo_cli.report.summary import summarise

NAMES = ["eval/held_out/accuracy", "eval/held_out/completion_length"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_of_several_objectives_is_judged(tmp_path, ended):
    lists = {"objective": NAMES, "direction": ["maximize", "minimize"]}
    root = record_run(tmp_path / "run", config=lists)
    result = json.loads((root / "result.json").read_text())
    if ended:
        rows = [{"name": NAMES[0], "value": 0.9, "direction": "maximize"}]
        rows += [{"name": NAMES[1], "value": 40.0, "direction": "minimize"}]
        result |= {"objective": rows[0], "objectives": rows}
    else:  # one that goes on has not said yet what it is judged by
        del result["objective"]
    (root / "result.json").write_text(json.dumps(result))
    summary = summarise(read_run(root))
    assert summary.level == "good" and "rose" in summary.headline


def test_an_objective_that_should_fall_is_judged_by_its_own_direction(tmp_path):
    lists = {"objective": ["loss", "eval/held_out/accuracy"], "direction": ["maximize", "minimize"]}
    root = record_run(tmp_path / "run", config=lists)
    result = json.loads((root / "result.json").read_text())
    del result["objective"]
    (root / "result.json").write_text(json.dumps(result))
    assert summarise(read_run(root)).level == "bad"


def test_a_pruned_run_says_so(tmp_path):
    root = record_run(tmp_path / "run", status="pruned")
    result = json.loads((root / "result.json").read_text())
    (root / "result.json").write_text(json.dumps(result | {"stopped": "worse than the median of 4 jobs"}))
    said = " ".join(summarise(read_run(root)).sentences)
    assert "The run was pruned after step 20 of 40: worse than the median of 4 jobs." in said
