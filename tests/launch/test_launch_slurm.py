"""What is asked of Slurm, and the job script; a real cluster is in test_launch_slurm_real.py."""

import dataclasses
import shutil
import signal
import subprocess
import time

import pytest

from grpo_cli.config.schema import defaults
from grpo_cli.errors import ConfigError
from grpo_cli.launch import signals
from grpo_cli.launch.elsewhere import hardware_asked_for
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.slurm.request import memory_bytes, request_problems, time_minutes
from grpo_cli.launch.slurm.script import array_numbers, job_script
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import read_result, start_result, update_result
from grpo_cli.runs.resume import fingerprint

LOGIN = Hardware("login", "", "", cores=2, memory_bytes=1, gpus=(), torch="2.13", torch_cuda="13.0")


def launch(kind="auto", num_processes="auto", **slurm):
    base = defaults()["launch"]
    return base | {"kind": kind, "num_processes": num_processes, "slurm": base["slurm"] | {"submit": True} | slurm}


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        (90, 90),
        ("90", 90),
        ("90:30", 90.5),
        ("1:30:00", 90),
        ("2-0", 2880),
        ("1-02:30", 1590),
        ("1-0:0:30", 1440.5),
        ("soon", None),
        ("1:2:3:4", None),
        ("4h", None),
        (True, None),
    ],
)
def test_times(text, minutes):
    assert time_minutes(text) == minutes


def test_memory():
    assert memory_bytes("64G") == 64 << 30
    assert memory_bytes(512) == 512 << 20
    assert [memory_bytes(text) for text in ("64GB", "lots", -1, "")] == [None] * 4


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"time": "4h"}, "launch.slurm.time=4h is no time that Slurm knows; write launch.slurm.time=4:00:00"),
        ({"time": 14400}, "unquoted, YAML reads 4:00:00 as 14400"),
        ({"time": 1}, "launch.slurm.notice_seconds=120"),
        ({"mem": "64GB"}, "write launch.slurm.mem=64G"),
        ({"kind": "multi_gpu"}, "no GPU asked of Slurm; write launch.slurm.gpus_per_node=2"),
        ({"kind": "cpu", "gpus_per_node": 4}, "would leave the 4 GPUs"),
        ({"gpus_per_node": 8, "num_processes": 4}, "would leave 4 of 8 GPUs on each node idle"),
        ({"nodes": 0}, "launch.slurm.nodes=0 must be at least 1"),
        ({"extra": {"array": "0-3"}}, "write launch.slurm.array_parallelism instead"),
        ({"extra": {"wrap": "rm"}}, "the job script sets --wrap itself"),
        ({"extra": {"comment": "a\nb"}}, "must be one line"),
    ],
)
def test_what_cannot_be_asked(asked, words):
    problems = request_problems(launch(**asked), LOGIN)
    assert len(problems) == 1
    assert words in problems[0]
    with pytest.raises(ConfigError):
        plan_launch(launch(**asked), {}, None, hardware=LOGIN, base_env={})


def test_gpus_for_a_torch_without_cuda():
    problems = request_problems(launch(gpus_per_node=4), dataclasses.replace(LOGIN, torch_cuda=None))
    assert "write launch.slurm.gpus_per_node=0" in problems[0]


def test_the_launch_is_checked_for_the_jobs_machine_not_the_login_node(tmp_path):
    plan = plan_launch(launch(nodes=2, gpus_per_node=4, gpu_type="h100"), {}, tmp_path, hardware=LOGIN, base_env={})
    assert (plan.kind, plan.world_size) == ("multi_gpu", 8)
    assert "h100" in plan.why


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_script(tmp_path):
    cfg = launch(
        nodes=2,
        gpus_per_node=4,
        gpu_type="a100",
        cpus_per_task=8,
        time="4:00:00",
        mem="64G",
        setup=["module load cuda"],
        extra={"reservation": "mine", "exclusive": True, "mail_user": None, "comment": "two words"},
    )
    place = tmp_path / "my runs 50%"
    text = job_script(cfg, "grpo", place, working_directory=tmp_path)
    head = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
    assert {"job-name=grpo", "nodes=2", "ntasks-per-node=1", "gpus-per-node=a100:4", "cpus-per-task=8"} <= {*head}
    assert {"time=4:00:00", "mem=64G", "requeue", "signal=B:USR1@120", "exclusive", "reservation=mine"} <= {*head}
    assert 'comment="two words"' in head
    assert f'output="{tmp_path}/my runs 50%%/slurm/%j.log"' in head
    assert not any("partition" in line or "mail" in line for line in head)
    assert "\nmodule load cuda\n" in text
    assert "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=8 " in text
    assert "scontrol requeue" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""
    assert "scontrol requeue" not in job_script(launch(requeue=False), "grpo", place, working_directory=tmp_path)


def test_an_array_of_a_sweep(tmp_path):
    assert array_numbers([0, 1, 2, 5, 7, 8], None) == "0-2,5,7-8"
    text = job_script(launch(), "grpo", tmp_path, array=array_numbers([0, 2], 1), working_directory=tmp_path)
    assert "#SBATCH --array=0,2%1\n" in text
    assert f"#SBATCH --output={tmp_path}/slurm/%A_%a.log\n" in text
    assert f"folder={tmp_path}/$SLURM_ARRAY_TASK_ID\n" in text


def test_a_dry_run_prints_the_script_and_leaves_nothing(cli, tmp_path):
    done = cli(
        "launch=slurm", "launch.slurm.time=4:00:00", "launch.slurm.nodes=2", "dry_run=true", PATH="/usr/bin:/bin"
    )
    assert done.returncode == 0, done.stderr
    assert "#SBATCH --time=4:00:00" in done.stdout
    assert "# cpu, 2 processes: no GPU is asked of Slurm (launch.slurm.gpus_per_node=0)" in done.stdout
    assert not (tmp_path / "outputs").exists()


def test_a_dry_run_asks_nothing_of_this_machines_torch():
    laptop = dataclasses.replace(LOGIN, torch="2.13.0+cpu", torch_cuda=None)
    job = launch(gpus_per_node=2)
    assert any("build without CUDA" in problem for problem in request_problems(job, laptop))
    assert not request_problems(job, hardware_asked_for(job, laptop))


def test_no_sbatch_is_said_before_anything_is_written(cli, tmp_path):
    done = cli("launch=slurm", PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "grpo-train: launch=slurm needs Slurm's command sbatch, which is not on the PATH; write launch=auto.\n"
    )
    assert not (tmp_path / "outputs").exists()


def test_a_requeued_job_knows_its_own_earlier_attempt(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    start_result(folder, fingerprint="x", overrides=[])
    update_result(folder, host="a-node-that-failed")
    assert read_result(folder)["status"] == "running", "another node's run is taken to be alive"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert read_result(folder)["status"] == "interrupted"
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert read_result(folder)["status"] == "running", "another job's"


def test_slurm_repeating_its_signal_is_not_impatience(monkeypatch):
    monkeypatch.setattr(signals, "ECHO_SECONDS", 0.0)
    for job, counted in (("7", 1), ("", 2)):
        monkeypatch.setenv("SLURM_JOB_ID", job) if job else monkeypatch.delenv("SLURM_JOB_ID")
        with signals.SignalWatch() as watch:
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)
                time.sleep(0.01)
        assert watch.count == counted


def test_a_longer_time_limit_is_still_the_same_run():
    config = {"seed": 1, "launch": launch(time="1:00:00")}
    assert fingerprint(config, {}) == fingerprint(config | {"launch": launch(time="9:00:00", nodes=1)}, {})
    two = launch() | {"nodes": {"count": 2}}
    assert fingerprint(config, {}) != fingerprint(config | {"launch": two}, {})
