"""Several objectives from the command line to what Hydra's sweeper is given; a pruned job is not run again."""

import json
import math

import pytest
from own_sweeper import write_sweeper
from real_runs import SHORT

LENGTH = "eval/held_out/completion_length"

# Starts a job and one that is refused, and writes down what the launcher returns for them.
SWEEPER = """
    def sweep(self, arguments):
        jobs = [[*arguments, "seed=1"], [*arguments, "training.num_generations=7"]]
        returned = [each.return_value for each in self.launcher.launch(jobs, 0)]
        with open("returned.json", "w") as file:
            json.dump(returned, file)
"""


@pytest.mark.slow
def test_the_sweeper_is_given_a_list_and_a_pruned_job_is_left_alone(tmp_path, cli):
    own = write_sweeper(tmp_path, SWEEPER)

    def sweep():
        done = cli(
            *["-m", *SHORT, "hydra.sweep.dir=sweep", "hydra/sweeper=own", "training.max_steps=1"],
            *[f"objective=[auto,{LENGTH}]", "direction=[maximize,minimize]", "evaluation.baseline=false"],
            PYTHONPATH=own,
        )
        assert done.returncode == 1, done.stdout + done.stderr  # one job is refused
        return done, json.loads((tmp_path / "returned.json").read_text())

    done, (values, refused) = sweep()
    file = tmp_path / "sweep" / "0" / "result.json"
    result = json.loads(file.read_text())
    after = result["metrics"]["after"]
    assert values == [after["eval/held_out/accuracy"], after[LENGTH]] == [o["value"] for o in result["objectives"]]
    assert result["objective"] == result["objectives"][0]
    assert len(refused) == 2 and all(math.isnan(value) for value in refused)
    assert "1 of 2 jobs completed, 1 invalid; on the Pareto front: job 0" in done.stdout
    record = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert (record["objectives"], record["directions"]) == (
        ["eval/held_out/accuracy", LENGTH],
        ["maximize", "minimize"],
    )

    file.write_text(json.dumps(result | {"status": "pruned"}))
    done, again = sweep()
    assert again[0] == values and json.loads(file.read_text())["attempts"] == 1
    assert "pruned earlier" in done.stdout and "0 of 2 jobs completed, 1 invalid, 1 pruned" in done.stdout
