"""A rollout server from start to end, with a small real server in vLLM's place: real processes, real HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_runs import COMMAND
from serving import HERE, Serving, kill_at_random, pretend_gpus

from grpo_cli.rollout.address import free_port, is_healthy
from grpo_cli.rollout.server import WAITING

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes and shared memory as Linux has it")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(server: str = "", worker: str = "", **given: object) -> Serving:
        started.append(Serving(tmp_path / f"run{len(started)}", server, worker, **given))
        return started[-1]

    yield start
    for run in started:
        run.clean()


@pytest.mark.slow
def test_the_workers_start_when_the_server_is_ready_and_it_ends_with_them(serve):
    run = serve("leaky slow", "quick")
    run.wait_for_phase(WAITING)
    code, outcome = run.end()
    assert (code, outcome["status"]) == (0, "completed"), outcome
    assert run.left() == [] and run.segments() == []
    events = run.events()
    names = [event.get("name") or event.get("key") for event in events]
    assert names[:3] == [WAITING, "rollout.server", "starting"], names
    assert events[1]["time"] - events[0]["time"] > 1, "the server takes two seconds"
    assert events[1]["why"] == "started for this run on GPU 1, ended with it"
    assert "on GPUs 1" in run.folder.server_log.read_text(), "the last of the two visible ones"


@pytest.mark.parametrize(
    ("words", "given", "code", "says"),
    [
        ("exit", {}, 1, "ended with exit code 1 before it was ready: RuntimeError: Engine core initialization failed"),
        ("never", {"timeout": 1.5}, 1, "was not ready after 1.5 s; a large model takes longer: write"),
        pytest.param("never stubborn", {"timeout": 1.5}, 1, "was not ready after 1.5 s", marks=pytest.mark.slow),
        ("other", {}, 2, "serves another/model and this run trains org/model"),
        ("plain", {}, 1, "VLLM_SERVER_DEV_MODE=1"),
    ],
)
def test_a_server_that_fails_at_start_is_explained(serve, words, given, code, says):
    run = serve(words, **given)
    exit_code, outcome = run.end()
    assert (exit_code, outcome["status"]) == (code, "failed")
    assert says in outcome["error"].splitlines()[0]
    if code == 1 and "plain" not in words:
        assert "  loading org/model on GPUs 1" in outcome["error"], "the end of its log"
        assert str(run.folder.server_log) in outcome["error"]
    assert run.left() == []
    assert run.find("rank") is None and not (run.folder.root / "rank0.json").exists(), "no worker was started"


@pytest.mark.slow
def test_a_server_that_dies_ends_the_run_at_once(serve):
    run = serve("leaky", "stubborn")
    run.wait_for_phase("training")
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{run.url()}/die", timeout=5)
    began = time.monotonic()
    code, outcome = run.end()
    assert (code, outcome["status"]) == (1, "failed")
    first = outcome["error"].splitlines()[0]
    assert first == (
        "The rollout server ended with exit code 3 while the run needed it: RuntimeError: CUDA error: an illegal "
        "memory access was encountered"
    )
    assert time.monotonic() - began < 8, "a worker that ignores SIGTERM has two seconds, the server's children too"
    assert run.left() == [] and run.segments() == []


@pytest.mark.slow
def test_a_signal_while_it_waits_ends_all_at_once(serve):
    run = serve("never stubborn leaky", timeout=60)
    run.wait_for_phase(WAITING)
    time.sleep(0.5)
    run.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    code, outcome = run.end()
    assert (code, outcome["status"], outcome["signal"]) == (130, "interrupted", "SIGINT")
    assert time.monotonic() - began < 6
    assert run.left() == [] and run.segments() == []


def test_a_signal_in_training_saves_first_and_the_server_serves_until_then(serve):
    run = serve("leaky")
    run.wait_for_phase("training")
    run.process.send_signal(signal.SIGTERM)
    time.sleep(0.15)  # the worker saves
    assert is_healthy(run.url())
    code, outcome = run.end()
    assert (code, outcome["status"]) == (143, "interrupted")
    assert (run.folder.root / "checkpoint-by-rank0").exists()
    assert run.left() == [] and run.segments() == []


def test_sigkill_to_the_composer_leaves_nothing(serve):
    run = serve("leaky stubborn", "stubborn grandchild")
    run.wait_for_phase("training")
    assert len(run.left()) > 4 and len(run.segments()) == 2, "the counts below must be able to fail"
    run.process.kill()
    run.end()
    assert run.left(seconds=4) == [] and run.segments() == []


@pytest.fixture
def running_server() -> Iterator[Callable[..., str]]:
    """Servers that somebody else has started."""
    started: list[subprocess.Popen[bytes]] = []

    def start(model: str, words: str = "") -> str:
        port = free_port()
        argv = [sys.executable, str(HERE / "fake_server.py"), "--model", model, "--host", "127.0.0.1"]
        env = os.environ | {"FAKE_SERVER": words}
        started.append(subprocess.Popen([*argv, "--port", str(port)], env=env, stdout=subprocess.DEVNULL))
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while not is_healthy(url) and time.monotonic() < deadline:
            time.sleep(0.05)
        return url

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_running_server_is_joined_and_left_running(serve, running_server):
    url = running_server("org/model")
    run = serve("exit", "quick", url=url)  # a server of its own would exit
    code, outcome = run.end()
    assert (code, outcome["status"]) == (0, "completed"), outcome
    assert run.url() == url
    assert is_healthy(url) and not run.folder.server_log.exists()


def test_a_running_server_of_another_model_is_refused(serve, running_server):
    url = running_server("org/other")
    code, outcome = serve(url=url).end()
    assert (code, outcome["status"]) == (2, "failed")
    assert outcome["error"] == (
        f"rollout.url={url}: the server there serves org/other and this run trains org/model; start it with that "
        "model, or write model=org/other."
    )


def test_no_server_at_the_address_is_told_after_the_time_limit(serve):
    url = f"http://127.0.0.1:{free_port()}"
    code, outcome = serve(url=url, timeout=1).end()
    assert (code, outcome["status"]) == (1, "failed")
    assert outcome["error"].startswith(f"rollout.url={url}: no server answered there within 1 s")


def test_two_runs_have_ports_of_their_own(serve):
    runs = [serve(), serve()]
    for run in runs:
        run.wait_for_phase("training")
    assert len({run.url() for run in runs}) == 2
    for run in runs:
        run.process.send_signal(signal.SIGTERM)
    assert [run.end()[0] for run in runs] == [143, 143]


@pytest.mark.slow
def test_the_whole_command_with_a_server_and_a_worker_that_fails(tmp_path):
    """grpo-train itself, on GPUs that are not there: the server is real, the worker finds a torch that is none."""
    env = pretend_gpus(tmp_path / "site")
    command = f"{sys.executable} {HERE / 'fake_server.py'}"
    words = ["rollout=vllm_server", f"rollout.server.command={command}", "display=plain", "hydra.run.dir=run"]
    done = subprocess.run([*COMMAND, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1, done.stderr
    shown = done.stdout.splitlines()
    url = next(line for line in shown if line.startswith("rollout.server=http://127.0.0.1:"))
    assert shown.index(WAITING) < shown.index(url) and url.endswith("(started for this run on GPU 1, ended with it)")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed" and "the composer must not import torch" in result["error"]
    rollout = json.loads((tmp_path / "run" / "provenance.json").read_text())["rollout"]
    assert rollout["started"] and rollout["gpus"] == ["1"]
    assert not is_healthy(rollout["url"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_a_random_moment_leaves_nothing(tmp_path, seed):
    """Three of the kills that tests/benchmarks/bench_rollout_kills.py does twenty of."""
    told, found = kill_at_random(tmp_path / "run", seed)
    assert found == [], told
