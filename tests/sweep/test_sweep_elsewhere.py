"""Jobs that joblib or submitit runs: recorded, refused ones left out, completed ones left alone, stopped together."""

import importlib.util
import json
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from real_runs import COMMAND, SHORT, environment

from grpo_cli.runs.sweep import Sweep
from grpo_cli.sweep.elsewhere import collect

PLUGINS = {"joblib": "hydra_joblib_launcher", "submitit_local": "hydra_submitit_launcher"}


def installed(launcher: str) -> None:
    if importlib.util.find_spec(f"hydra_plugins.{PLUGINS[launcher]}") is None:
        pytest.skip(f"hydra/launcher={launcher} is not installed: pip install 'grpo-train[launchers]'")


def jobs_of(folder):
    return json.loads((folder / "sweep.json").read_text())["jobs"]


def test_notes_and_run_folders_make_the_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = Sweep(tmp_path, [[f"seed={n}"] for n in range(4)])
    notes = tmp_path / "jobs"
    notes.mkdir()
    gone = {"process": "1:0", "host": socket.gethostname()}
    said = {
        0: {"status": "completed", "earlier": True},
        1: {"status": "invalid", "error": "training.beta=x must be a number."},
        2: {"status": "running"},  # its process was killed
    }
    for number, note in said.items():
        (notes / f"{number}.json").write_text(json.dumps({"overrides": [f"seed={number}"], **gone, **note}))
    (tmp_path / "0").mkdir()
    result = {"status": "completed", "exit_code": 0, "objective": {"name": "a", "value": 0.5}, "seconds": 3.0}
    (tmp_path / "0" / "result.json").write_text(json.dumps(result))
    assert [job.number for job in collect(sweep)] == [0, 1, 2]
    jobs = jobs_of(tmp_path)
    assert [job["status"] for job in jobs] == ["completed", "invalid", "interrupted", "not started"]
    assert jobs[0]["earlier"] and jobs[0]["objective"] == 0.5 and sweep.objective == "a"
    assert jobs[1]["folder"] is None and "must be a number" in jobs[1]["error"]
    assert collect(sweep) == []  # nothing new


@pytest.mark.slow
@pytest.mark.parametrize("launcher", list(PLUGINS))
def test_a_sweep_under_another_launcher(tmp_path, launcher):
    installed(launcher)
    (tmp_path / "mine.py").write_text("def broken(completion, fail=0):\n    return 1.0 / (1 - fail)\n")
    sweep = [*COMMAND, "-m", *SHORT, "hydra.sweep.dir=sweep", f"hydra/launcher={launcher}", "training.max_steps=1"]
    sweep += ["evaluation.baseline=false", "launch.threads=1", "training.num_generations=8,5"]
    sweep += ["+reward.mine.target=mine.py:broken", "+reward.mine.fail=0,1"]
    for again in (False, True):
        done = subprocess.run(
            sweep, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 1, done.stdout + done.stderr
        jobs = jobs_of(tmp_path / "sweep")
        assert [job["status"] for job in jobs] == ["completed", "failed", "invalid", "invalid"], done.stderr
        assert jobs[0]["objective"] is not None and jobs[0]["earlier"] == again
        assert "division by zero" in jobs[1]["error"] and "does not divide" in jobs[2]["error"]
        assert "1 of 4 jobs completed" in done.stdout
    assert json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())["attempts"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("launcher", list(PLUGINS))
def test_sigterm_lets_the_jobs_of_another_launcher_save_and_leaves_no_process(tmp_path, launcher):
    installed(launcher)
    sweep = [*COMMAND, "-m", *SHORT, "hydra.sweep.dir=sweep", f"hydra/launcher={launcher}", "training.max_steps=300"]
    process = subprocess.Popen(
        [*sweep, "seed=1,2", "launch.threads=1"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    metrics = tmp_path / "sweep" / "0" / "metrics.jsonl"
    deadline = time.monotonic() + 100
    while not (metrics.exists() and '"loss"' in metrics.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    out = process.communicate(timeout=100)[0]
    assert process.returncode == 143, out
    assert jobs_of(tmp_path / "sweep")[0]["status"] == "interrupted", out
    assert list((tmp_path / "sweep" / "0" / "checkpoints").iterdir())
    assert psutil.wait_procs(tree, timeout=10)[1] == [], sys.executable
