"""Multirun jobs side by side: stopped, killed and gone on with; a failing one; refused ones."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from own_sweeper import write_sweeper
from real_runs import COMMAND, SHORT, environment, read_records

# One thread a process everywhere: another number of threads adds up in another order.
TRIALS = ["-m", *SHORT, "training.max_steps=12", "training.save_steps=3", "launch.threads=1", "seed=1,2,3"]


def jobs_of(folder: Path) -> list[dict]:
    return json.loads((folder / "sweep.json").read_text())["jobs"]


def losses(run: Path) -> list[tuple]:
    return [(r["step"], r["loss"], r["reward"]) for r in read_records(run / "metrics.jsonl", "train") if "loss" in r]


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


def processes_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) and "warm_python" not in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_a_sweep_stopped_once_and_killed_once_ends_as_an_undisturbed_one(tmp_path, cli, warm_command):
    def start() -> subprocess.Popen:
        return subprocess.Popen(
            [*warm_command, *TRIALS, "name=disturbed", "launch.slots=2"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    # Ctrl-C while the first jobs train: each saves a checkpoint, the third one is not started.
    process = start()
    wait_for(
        lambda: any("loss" in f.read_text() for f in tmp_path.glob("outputs/disturbed/*/0/metrics.jsonl")), process
    )
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=120)[0]
    assert process.returncode == 130, out
    (folder,) = (tmp_path / "outputs" / "disturbed").iterdir()
    assert [job["status"] for job in jobs_of(folder)] == ["interrupted", "interrupted", "not started"], out
    assert list((folder / "0" / "checkpoints").iterdir())
    assert processes_of(folder) == []

    # Started again, it finds itself; killed outright once the first job has completed, it leaves nothing running.
    process = start()
    wait_for(lambda: jobs_of(folder)[0]["status"] == "completed", process)
    process.kill()
    process.wait()
    wait_until = time.monotonic() + 10
    while processes_of(folder) and time.monotonic() < wait_until:
        time.sleep(0.05)
    assert processes_of(folder) == []

    done = cli(*TRIALS, "name=disturbed", "launch.slots=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Going on with the sweep in {folder}" in done.stderr
    assert "completed earlier" in done.stdout and "3 of 3 jobs completed" in done.stdout
    assert list(folder.parent.iterdir()) == [folder]
    jobs = jobs_of(folder)
    assert [job["status"] for job in jobs] == ["completed"] * 3 and jobs[0]["earlier"]
    attempts = [json.loads((folder / str(n) / "result.json").read_text())["attempts"] for n in range(3)]
    assert attempts[0] == 2  # stopped, and completed by the second start; the third start left it alone

    alone = cli(*TRIALS, "name=undisturbed", "hydra.sweep.dir=undisturbed", "display=quiet")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    for number, job in enumerate(jobs_of(tmp_path / "undisturbed")):
        ours, theirs = folder / str(number), tmp_path / "undisturbed" / str(number)
        assert len(losses(ours)) == 12 and losses(ours) == losses(theirs)
        assert (ours / "model" / "model.safetensors").read_bytes() == (
            theirs / "model" / "model.safetensors"
        ).read_bytes()
        assert jobs[number]["objective"] == job["objective"]


@pytest.mark.slow
def test_a_failing_job_frees_its_slot_and_is_the_only_one_run_again(tmp_path, cli):
    mine = tmp_path / "mine.py"
    mine.write_text("def broken(completion, fail=0):\n    return 1.0 / (1 - fail)\n")
    command = [
        *["-m", *SHORT, "hydra.sweep.dir=sweep", "training.max_steps=1", "evaluation.baseline=false"],
        *["launch.slots=2", "launch.threads=1", "+reward.mine.target=mine.py:broken", "+reward.mine.fail=1,0.5,0"],
        "training.num_generations=8,5",
    ]
    done = cli(*command)
    assert done.returncode == 1, done.stdout + done.stderr
    statuses = [job["status"] for job in jobs_of(tmp_path / "sweep")]
    assert statuses == ["failed", "invalid", "completed", "invalid", "completed", "invalid"]
    assert "division by zero" in jobs_of(tmp_path / "sweep")[0]["error"]
    assert "job 0: failed" in done.stdout and "2 of 6 jobs completed" in done.stdout

    again = cli(*command)
    assert again.returncode == 1
    assert [job["earlier"] for job in jobs_of(tmp_path / "sweep")] == [False, False, True, False, True, False]
    started = [line for line in again.stdout.splitlines() if ": running" in line]
    assert len(started) == 1 and started[0].startswith("job 0:")

    mine.write_text(mine.read_text() + "# edited\n")  # another reward: no result is that of an earlier run
    edited = cli(*command, "sweep.fail_fast=true", "training.num_generations=8", "+reward.mine.fail=0.5,0")
    assert edited.returncode == 0, edited.stdout + edited.stderr
    assert [job["earlier"] for job in jobs_of(tmp_path / "sweep")] == [False, False]


@pytest.mark.slow
def test_invalid_combinations_are_all_found_before_anything_starts(tmp_path):
    started = subprocess.run(
        [*COMMAND, "-m", "hydra.sweep.dir=sweep", "sweep.invalid=fatal", "training.num_generations=8,7", "seed=1,2"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert started.returncode == 2, started.stdout + started.stderr
    assert "the configuration of jobs 2, 3 of 4 is refused, so none was started" in started.stderr
    jobs = jobs_of(tmp_path / "sweep")
    assert [job["status"] for job in jobs] == ["not started", "not started", "invalid", "invalid"]
    assert "does not divide" in jobs[2]["error"]
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir()) == [*["jobs", "logs", "multirun.yaml", "sweep.json"]]


@pytest.mark.slow
def test_a_folder_whose_sweep_runs_is_refused(tmp_path):
    from grpo_cli.runs.folder import RunFolder
    from grpo_cli.runs.lock import own

    with own(RunFolder(tmp_path / "sweep")):
        refused = subprocess.run(
            [sys.executable, "-m", COMMAND[-1], "-m", "hydra.sweep.dir=sweep", "seed=1,2", "dry_run=true"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert refused.returncode == 2 and "is in use by process" in refused.stderr
    assert not (tmp_path / "sweep" / "sweep.json").exists()


@pytest.mark.slow
def test_a_spent_budget_stops_cleanly_and_more_of_it_goes_on(tmp_path, cli):
    trials = ["-m", *SHORT, "hydra.sweep.dir=sweep", "training.max_steps=400", "training.save_steps=400", "seed=1,2"]
    first = cli(*trials, "sweep.timeout=9s")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "sweep.timeout: 9 s are over; with more of it the same command goes on" in first.stderr
    assert [job["status"] for job in jobs_of(tmp_path / "sweep")] == ["interrupted", "not started"]
    steps = [json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())["step"]]

    again = cli(*trials, "sweep.timeout=5s")
    assert "Going on with" in (tmp_path / "sweep" / "jobs" / "0.log").read_text(), again.stdout + again.stderr
    steps.append(json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())["step"])
    assert 0 < steps[0] < steps[1]


@pytest.mark.slow
def test_a_pruned_job_saves_a_checkpoint_and_is_no_failure(tmp_path, cli):
    # A sweeper of the user's own, in a folder of Hydra plugins, with a sampler that prunes its second trial.
    own = write_sweeper(tmp_path, SWEEPER)
    done = cli(
        *["-m", *SHORT, "hydra.sweep.dir=sweep", "hydra/sweeper=own", "training.max_steps=300"],
        *["launch.slots=2", "launch.threads=1"],
        *["objective=[auto,eval/held_out/completion_length]", "direction=[maximize,minimize]"],
        PYTHONPATH=own,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = jobs_of(tmp_path / "sweep")
    assert [job["status"] for job in jobs] == ["completed", "pruned", "completed"], done.stdout
    result = json.loads((tmp_path / "sweep" / "1" / "result.json").read_text())
    assert (result["status"], result["stopped"]) == ("pruned", "worse than the others")
    assert 0 < result["step"] < 300 and list((tmp_path / "sweep" / "1" / "checkpoints").iterdir())
    told = json.loads((tmp_path / "told.json").read_text())
    assert sorted(each[:2] for each in told) == [[0, "completed"], [1, "pruned"], [2, "completed"]]
    for number, _, values in told:  # the sampler hears of every objective, in order
        result = json.loads((tmp_path / "sweep" / str(number) / "result.json").read_text())
        assert (values or [None, None]) == [row["value"] for row in result["objectives"]]  # pruned: none measured yet
        assert [row["direction"] for row in result["objectives"]] == ["maximize", "minimize"]
    assert "2 of 3 jobs completed, 1 pruned; on the Pareto front: job" in done.stdout


SWEEPER = """
    def sweep(self, arguments):
        self.fixed = list(arguments)
        own = [["training.max_steps=2"], ["seed=7"], ["training.max_steps=3"]]
        self.left = list(enumerate(own))
        self.told = []
        self.launcher.stream(self)
        with open("told.json", "w") as file:
            json.dump(self.told, file)

    def ask(self):
        if not self.left:
            return None
        number, own = self.left.pop(0)
        return number, self.fixed + own

    def tell(self, job):
        self.told.append([job.number, job.status, job.objectives])

    def prune(self, job):
        from pathlib import Path

        metrics = Path(job.folder) / "metrics.jsonl"
        begun = metrics.exists() and '"loss"' in metrics.read_text()
        return "worse than the others" if job.number == 1 and begun else None
"""
