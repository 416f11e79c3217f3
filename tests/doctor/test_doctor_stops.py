"""`doctor.stop_on` for real: two processes agree to stop, save a checkpoint, and the run says why."""

import json

import pytest
from real_runs import SHORT, read_records


@pytest.mark.slow
def test_a_run_that_cannot_recover_is_ended_by_all_its_processes(cli, tmp_path):
    """Four tokens are too few for any answer, so all completions are cut."""
    folder = tmp_path / "run"
    done = cli(
        *(option for option in SHORT if "max_steps" not in option),
        "training.max_steps=40",
        "training.max_completion_length=4",
        "launch.num_processes=2",
        "evaluation.baseline=false",
        "doctor.stop_on=[truncated]",
        f"hydra.run.dir={folder}",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (finding,) = [f for f in read_records(folder / "doctor.jsonl") if f["rule"] == "truncated"]
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "failed" and finding in result["doctor"]
    assert "doctor.stop_on=truncated" in result["stopped"] and finding["evidence"] in result["stopped"]
    assert result["step"] == finding["step"] + 1 < 40  # found when the step was logged, ended by the next
    assert (folder / "checkpoints" / f"checkpoint-{result['step']}" / "complete.json").exists()
    assert not (folder / "model").exists()
    assert finding["symptom"] in done.stdout and "try training.max_completion_length=8" in done.stdout
    assert "doctor: step" in (folder / "logs" / "worker.log").read_text()

    # The same command begins anew, since that run was ended for a reason; dry_run shows which folder it would take.
    again = cli("dry_run=true", "doctor.stop_on=[trunacted]")
    assert again.returncode == 2
    assert "doctor.stop_on: there is no rule trunacted; did you mean 'truncated'?" in again.stderr
