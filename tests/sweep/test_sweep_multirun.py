import json

import pytest
from real_runs import SHORT

pytestmark = pytest.mark.slow


def sweep_of(tmp_path):
    return json.loads((tmp_path / "sweep" / "sweep.json").read_text())


def test_a_bad_job_is_recorded_and_the_rest_go_on(tmp_path, cli):
    (tmp_path / "mine.py").write_text("def broken(completion, fail=0):\n    return 1.0 / (1 - fail)\n")
    done = cli(
        "-m",
        *SHORT,
        "hydra.sweep.dir=sweep",
        "training.max_steps=1",
        "evaluation.baseline=false",
        "+reward.mine.target=mine.py:broken",
        "+reward.mine.fail=1,0",
        "training.num_generations=5,8",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    jobs = sweep_of(tmp_path)["jobs"]
    assert [job["status"] for job in jobs] == ["invalid", "failed", "invalid", "completed"]
    assert "num_generations=5 does not divide" in jobs[0]["error"]
    assert "mine" in jobs[1]["error"] and "division by zero" in jobs[1]["error"]
    assert jobs[3]["objective"] is not None
    assert "1 of 4 jobs completed" in done.stdout


def test_fail_fast_stops_and_keeps_the_jobs_that_never_started(tmp_path, cli):
    done = cli(
        "-m",
        *SHORT,
        "hydra.sweep.dir=sweep",
        "sweep.fail_fast=true",
        "training.num_generations=5,8",
    )
    assert done.returncode == 1
    assert [job["status"] for job in sweep_of(tmp_path)["jobs"]] == ["invalid", "not started"]
    assert "not started" in done.stdout


def test_a_sweep_of_reward_sets_and_seeds_completes(tmp_path, cli):
    done = cli(
        "-m", *SHORT, "hydra.sweep.dir=sweep", "training.max_steps=1", "reward=[exact_match],[exact_match,format]"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = sweep_of(tmp_path)
    assert [job["status"] for job in sweep["jobs"]] == ["completed"] * 2
    assert sweep["objective"] == "eval/held_out/accuracy"


def test_a_value_that_cannot_be_composed_ends_the_sweep_before_it_starts(tmp_path, cli):
    done = cli("-m", *SHORT, "hydra.sweep.dir=sweep", "model=embedded,embeded")
    assert done.returncode == 2
    assert "embeded" in done.stderr and "Traceback" not in done.stderr
