"""A sweep of eight jobs in which one raises, one runs out of memory and one hangs: the rest finish, and it says why."""

import json

import pytest
from real_runs import SHORT

MINE = """\
import time

import torch

from grpo_cli.data.builtin.addition import addition


def fault(completion, trial=0):
    if trial == 3:
        raise ValueError("no such answer")
    if trial == 7:
        time.sleep(600)
    return 1.0


def rows(num_train, num_test, trial, seed=0):
    if trial == 5:
        torch.empty(2**50)  # which the kernel refuses
    return addition(num_train=num_train, num_test=num_test, seed=seed)
"""
WHY = {
    3: "reward 'fault' failed with ValueError: no such answer",
    5: "can't allocate memory: you tried to allocate",
    7: "took longer than its 1 s and was killed",
}


@pytest.mark.slow
def test_three_faults_leave_the_other_jobs_alone(tmp_path, cli):
    (tmp_path / "mine.py").write_text(MINE)
    sweep = [
        *["-m", *SHORT, "hydra.sweep.dir=sweep", "training.max_steps=1", "evaluation.baseline=false"],
        *["launch.slots=2", "launch.threads=1", "dataset.generator=mine.py:rows"],
        # The data read the number of the trial too: a reference in an override, which the record keeps as it is.
        *["+dataset.generator_kwargs.trial=${reward.fault.trial}", "+reward.fault.target=mine.py:fault"],
        *["+reward.fault.trial=range(1,9)", "reward.fault.timeout=1", "guard.window=16"],
    ]
    done = cli(*sweep)
    assert done.returncode == 1, done.stdout + done.stderr
    record = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    by_trial = dict(enumerate(record["jobs"], start=1))
    for trial, job in by_trial.items():
        assert job["status"] == ("failed" if trial in WHY else "completed"), (trial, job, done.stderr)
        assert (job["objective"] is None) == (trial in WHY)
    for trial, why in WHY.items():
        first_line = by_trial[trial]["error"].splitlines()[0]
        assert why in first_line
        assert f"job {trial - 1}: {first_line}" in done.stderr.splitlines()
    assert "5 of 8 jobs completed, 3 failed" in done.stdout
    assert "Traceback" not in done.stderr and "UserWarning" not in done.stderr
