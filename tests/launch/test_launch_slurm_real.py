"""Slurm for real: a cluster of two nodes runs a multi-node job, a sweep as an array, and a job it puts back."""

import json
import tempfile
import time
from pathlib import Path

import pytest
import slurm_rig
from real_runs import COMMAND, SHORT, environment, read_records

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    if reason := slurm_rig.why_not():
        pytest.skip(reason)
    # Not tmp_path: it holds a Unix socket, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="slurm") as root, slurm_rig.cluster(Path(root)) as made:
        yield made


@pytest.fixture
def submit(cluster, tmp_path):
    """Run grpo-train on the cluster's first node, in a fresh folder."""

    def run(*arguments: str):
        env = environment(OMP_NUM_THREADS="1")
        first = [argument for argument in arguments if argument == "-m"]
        rest = [argument for argument in arguments if argument != "-m"]
        return cluster.run(*COMMAND, *first, *SHORT, "launch=slurm", *rest, env=env, cwd=tmp_path)

    return run


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def test_a_run_over_two_nodes_is_followed_to_its_end(cluster, submit, tmp_path):
    done = submit("launch.slurm.nodes=2", "launch.slurm.wait=true", "launch.slurm.time=10", "hydra.run.dir=run")
    log = next((tmp_path / "run" / "slurm").glob("*.log")).read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    assert "step 4/4" in done.stdout, "the job was not shown while it ran"
    assert "Submitted job" in done.stderr
    launched = json.loads((tmp_path / "run" / "provenance.json").read_text())["launch"]
    assert launched["world_size"] == 2
    assert [node["host"] for node in launched["nodes"]] == ["node-a", "node-b"]
    assert "waiting at node-a:" in log, "the nodes did not meet where Slurm's node list says"
    assert cluster.states()[result_of(tmp_path / "run")["slurm_job"]] == "COMPLETED"


def test_a_sweep_is_a_job_array(cluster, submit, tmp_path):
    sweep = ["-m", "hydra.sweep.dir=sweep", "launch.slurm.wait=true", "training.max_steps=1"]
    done = submit(*sweep, "evaluation.baseline=false", "training.num_generations=8,5,4")
    assert done.returncode == 1, done.stdout + done.stderr  # of the three, 5 divides nothing
    jobs = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]
    assert [job["status"] for job in jobs] == ["completed", "invalid", "completed"], done.stderr
    assert jobs[0]["objective"] is not None
    assert "#SBATCH --array=0,2\n" in (tmp_path / "sweep" / "slurm" / "job.sh").read_text()
    assert {job.partition("_")[2] for job in cluster.states() if "_" in job} == {"0", "2"}


def test_a_job_whose_time_is_up_goes_back_into_the_queue_and_on(cluster, submit, tmp_path):
    (tmp_path / "mine.py").write_text("def mine(completion):\n    return len(completion) / 10\n")
    length = ["training.max_steps=30", "training.save_steps=1000", "evaluation.baseline=false"]
    done = submit("hydra.run.dir=run", "reward=[]", "+reward.mine.target=mine.py:mine", *length)
    assert done.returncode == 0, done.stderr
    job = json.loads((tmp_path / "run" / "slurm" / "job.json").read_text())["job"]
    assert f"squeue -j {job}" in done.stderr
    wait_for(lambda: steps(tmp_path / "run") > 2)
    cluster.run("scancel", "--batch", "--signal=USR1", job)  # the notice that Slurm gives before the time limit
    wait_for(lambda: cluster.run("squeue", "-h", "-j", job, "-o", "%T %r").stdout.split() == ["PENDING", "BeginTime"])
    assert result_of(tmp_path / "run")["status"] == "interrupted"
    step = steps(tmp_path / "run")
    time.sleep(2)  # slurmd takes a job started again within one second for the one that was just revoked
    cluster.run("scontrol", "update", f"job={job}", "StartTime=now")  # else Slurm takes two minutes' rest
    assert cluster.wait()[job] == "COMPLETED", cluster.log()
    result = result_of(tmp_path / "run")
    log = (tmp_path / "run" / "slurm" / f"{job}.log").read_text()
    assert (result["status"], result["attempts"], result["step"]) == ("completed", 2, 30), log
    assert f"Going on with {tmp_path / 'run'} from step {step}" in log
    recorded = [record["step"] for record in read_records(tmp_path / "run" / "metrics.jsonl", "train")]
    assert recorded == list(range(1, 31))


def steps(folder):
    metrics = folder / "metrics.jsonl"
    return max((r["step"] for r in read_records(metrics, "train")), default=0) if metrics.exists() else 0


def wait_for(done, seconds=180):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)
