"""Jobs forked from a template: as if started anew, and never in doubt about how they ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from real_runs import COMMAND, SHORT, environment, read_records

from grpo_cli.launch.slots import Slot
from grpo_cli.launch.stem import differing
from grpo_cli.sweep import starter, warm
from grpo_cli.sweep.starter import JobStarter, job_environment, template_environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forked on Linux only")
LAUNCH = {"warm": "auto", "num_processes": "auto", "threads": "auto", "sharding": "none", "env": {}}
CORES = Slot(0, (), 2, whole=True)


class Gpu:
    token = "0"


def test_jobs_are_forked_on_the_cpu_in_one_process_each():
    base = {"PATH": "/bin"}
    assert template_environment(LAUNCH, [CORES], base)["OMP_NUM_THREADS"] == "2"
    assert template_environment(LAUNCH | {"threads": 4, "env": {"A": 1}}, [CORES], base)["A"] == "1"
    assert template_environment(LAUNCH | {"warm": False}, [CORES], base) is None
    assert template_environment(LAUNCH | {"num_processes": 2}, [CORES], base) is None
    assert template_environment(LAUNCH | {"sharding": "fsdp2"}, [CORES], base) is None
    on_gpus = [Slot(0, (Gpu(),), 2), Slot(1, (Gpu(),), 2)]
    assert template_environment(LAUNCH, on_gpus, base) is None
    assert template_environment(LAUNCH | {"warm": True}, on_gpus, base)["CUDA_VISIBLE_DEVICES"] == "0,0"
    assert template_environment(LAUNCH | {"warm": True}, [Slot(0, (Gpu(), Gpu()), 2)], base) is None


def test_a_variable_that_imports_may_have_read_must_not_differ():
    worker = template_environment(LAUNCH, [CORES], {"PATH": "/bin"})
    assert differing(worker, worker | {"GRPO_TRAIN_RUN": "7", "GRPO_TRAIN_COMPOSER": "1:2"}) == []
    assert differing(worker, worker | {"OMP_NUM_THREADS": "1", "HF_HOME": "/x"}) == ["HF_HOME", "OMP_NUM_THREADS"]
    assert differing(worker | {"HF_HUB_OFFLINE": "1"}, worker) == ["HF_HUB_OFFLINE"]
    assert differing({"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "1"}) == []
    assert differing({"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": ""}) == ["CUDA_VISIBLE_DEVICES"]


@pytest.fixture
def jobs(tmp_path, monkeypatch, warm_command):
    """Starts dummy_job.py, forked or not; the template is forked from the tests' own warm Python."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warm, "JOB_MODULE", "dummy_job")
    monkeypatch.setattr(starter, "JOB_MODULE", "dummy_job")
    env = job_environment(CORES, environment(PYTHONPATH=str(Path(__file__).parent), OMP_NUM_THREADS="1"))
    made: list[JobStarter] = []

    def make(forked: bool = True) -> tuple[JobStarter, list[str]]:
        monkeypatch.setattr(sys, "executable", warm_command[-1])
        made.append(JobStarter(template_environment(LAUNCH, [CORES], env) if forked else None, tmp_path / "template"))
        said: list[str] = []
        made[-1].say = said.append
        wait_for(made[-1].ready)
        if not forked:
            monkeypatch.undo()
            monkeypatch.chdir(tmp_path)
            monkeypatch.setattr(starter, "JOB_MODULE", "dummy_job")
        return made[-1], said

    def start(jobs: JobStarter, name: str, what: str = "end"):
        process = jobs.start([str(tmp_path / f"{name}.json"), what], env, tmp_path / f"{name}.log")
        return process, lambda: json.loads((tmp_path / f"{name}.json").read_text())

    yield make, start
    for each in made:
        each.__exit__()


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_forked_job_finds_what_one_started_anew_finds_whatever_others_did(jobs, tmp_path):
    make, start = jobs
    forked, _ = make()
    spoiling, _ = start(forked, "first", "spoil")
    assert spoiling.wait(30) == 0
    assert (tmp_path / "first.text").read_text() == "unflushed"
    assert (tmp_path / "first.log").read_text().splitlines() == ["a thread ended", "an exit function ran"]
    waiting, _ = start(forked, "beside", "wait")
    process, found = start(forked, "second")
    assert process.wait(30) == 0
    anew, wanted = start(make(forked=False)[0], "anew")
    assert anew.wait(60) == 0

    ours, theirs = found(), wanted()
    assert ours.pop("parent") != os.getpid() == theirs.pop("parent")
    drawn = [job.pop("random") for job in (ours, theirs, json.loads((tmp_path / "first.json").read_text()))]
    assert all(len(set(numbers)) == 3 for numbers in zip(*drawn, strict=True))  # each process draws its own
    stem = [fd for fd, file in ours["descriptors"].items() if file.startswith("socket:")]
    assert len(stem) == 1 and ours["descriptors"].pop(stem[0])
    for facts, name in ((ours, "second"), (theirs, "anew")):
        facts["argv"] = [text.replace(name, "NAME") for text in facts["argv"]]
        facts["descriptors"] = {fd: text.replace(name, "NAME") for fd, text in facts["descriptors"].items()}
    assert ours == theirs
    waiting.kill()
    assert waiting.wait(10) == -signal.SIGKILL


@pytest.mark.slow
def test_how_a_forked_job_ends_is_told(jobs, tmp_path):
    make, start = jobs
    forked, _ = make()
    ended = {what: start(forked, what, what)[0] for what in ("code", "text", "raise", "killed")}
    codes = {what: process.wait(30) for what, process in ended.items()}
    assert codes == {"code": 3, "text": 1, "raise": 1, "killed": -signal.SIGKILL}
    assert (tmp_path / "text.log").read_text() == "a last word\n"
    assert (tmp_path / "raise.log").read_text().endswith("ValueError: a bug\n")
    for sent in (signal.SIGTERM, signal.SIGINT):
        name = f"by {sent.name}"
        process, _ = start(forked, name, "wait")
        if sent == signal.SIGINT:
            wait_for((tmp_path / f"{name}.json").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.send_signal(sent)  # in time or before the job has run a line, it gets it
        assert process.wait(10) == -sent
        process.send_signal(signal.SIGKILL)  # to nobody
    assert not psutil.pid_exists(process.pid)


@pytest.mark.slow
def test_a_template_that_dies_takes_its_jobs_along_and_is_replaced(jobs, monkeypatch):
    make, start = jobs
    monkeypatch.setattr(starter, "TEMPLATES", 2)
    forked, said = make()
    for attempt in range(2):
        process, _ = start(forked, f"job{attempt}", "wait")
        template = psutil.Process(process.pid).parent()
        assert template.name() == "grpo-template"
        template.terminate()  # a scheduler's SIGTERM to all processes is not for it to act on
        template.send_signal(signal.SIGINT)
        assert start(forked, "beside", "code")[0].wait(30) == 3
        template.kill()
        assert process.wait(10) == -signal.SIGKILL
        assert "The process it was forked from ended (SIGKILL)" in process.why
        wait_for(forked.ready)
        assert len(said) == attempt + 1
    assert "another one is started" in said[0] and "start anew each" in said[1]
    process, found = start(forked, "anew", "code")
    assert isinstance(process, subprocess.Popen) and process.wait(60) == 3 and found()["own session"]


def test_a_template_that_cannot_import_is_done_without(tmp_path):
    (tmp_path / "accelerate.py").write_text("raise RuntimeError('broken')\n")
    env = environment(PYTHONPATH=os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]]), PYTHONSAFEPATH="1")
    said: list[str] = []
    with JobStarter(env, tmp_path / "log") as jobs:
        jobs.say = said.append
        wait_for(jobs.ready)
        assert said == [
            f"The process that jobs are forked from failed with RuntimeError: broken; "
            f"the jobs start anew each (see {tmp_path}/log)."
        ]


@pytest.mark.slow
def test_a_killed_template_costs_the_jobs_it_had_and_no_other(tmp_path, warm_command):
    command = [*warm_command, "-m", *SHORT, "training.max_steps=20", "launch.slots=2", "launch.threads=1"]
    command += ["seed=1,2,3", "evaluation.baseline=false", "hydra.sweep.dir=sweep"]
    env = environment(TEST_MARK=str(tmp_path))
    sweep = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    def marked(name: str = "") -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TEST_MARK") == str(tmp_path) and name in process.name():
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    wait_for(lambda: all((tmp_path / f"sweep/{n}/metrics.jsonl").exists() for n in (0, 1)), 60)
    first_worker = psutil.Process(json.loads((tmp_path / "sweep/0/result.json").read_text())["pid"]).children()[0]
    template = first_worker.parent().parent()
    (worker,) = first_worker.children()
    names = [process.name() for process in (template, first_worker, worker)]
    assert names == ["grpo-template", "grpo-warden", "grpo-worker"]
    template.kill()
    out = sweep.communicate(timeout=120)[0]
    assert sweep.returncode == 1, out
    jobs = json.loads((tmp_path / "sweep/sweep.json").read_text())["jobs"]
    assert [job["status"] for job in jobs] == ["failed", "failed", "completed"], out
    assert "The process it was forked from ended (SIGKILL)" in jobs[0]["error"] and "another one is started" in out
    assert marked() == []


@pytest.mark.slow
def test_forked_and_started_anew_compute_the_same_to_the_bit(tmp_path):
    env = environment()
    command = [*COMMAND, "-m", *SHORT, "training.max_steps=2", "evaluation.baseline=false", "launch.threads=2"]
    for name in ("warm", "cold"):
        jobs = ["launch.warm=false"] if name == "cold" else []
        done = subprocess.run(
            [*command, f"hydra.sweep.dir={name}", *jobs], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def forked(run: str) -> list:
        events = (json.loads(line) for line in (tmp_path / run / "logs/events.jsonl").read_text().splitlines())
        return [(e["value"], e["why"]) for e in events if e.get("key") == "launch.warm"]

    assert forked("warm/0") == [(True, "a job of a multirun")] and forked("cold/0") == []
    ours, theirs = tmp_path / "warm/0", tmp_path / "cold/0"
    for file in ("model/model.safetensors", "completions/train.jsonl", "checkpoints/checkpoint-2/optimizer.pt"):
        assert (ours / file).read_bytes() == (theirs / file).read_bytes(), file
    losses = [
        [r["loss"] for r in read_records(run / "metrics.jsonl", "train") if "loss" in r] for run in (ours, theirs)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 2
