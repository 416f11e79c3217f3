"""What a server is started with, where a running one is found, and what the workers are told."""

from __future__ import annotations

import copy
import itertools
import socket
import subprocess
import sys
from typing import Any

import pytest
from real_runs import COMMAND
from serving import pretend_gpus

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.config.groups.rollout import RolloutConfig, RolloutServerConfig
from grpo_cli.config.schema import fields_of
from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.rollout.address import URL as ADDRESS
from grpo_cli.rollout.engine import server_url
from grpo_cli.rollout.plan import COMMAND as SERVE
from grpo_cli.rollout.plan import GROUP_PORT, URL, ServerPlan, plan_server
from grpo_cli.training.auto import connect_server

CARDS = tuple(Gpu(str(i), f"GPU-{i}", "NVIDIA A100", 81920) for i in range(4))
MACHINE = Hardware("host", "Linux", "CPU", 8, 2**36, CARDS, "2.13.0", "13.0")


def config(**server: Any) -> dict[str, Any]:
    rollout = {name: field.default for name, field in fields_of("rollout", RolloutConfig).items()}
    rollout["server"] = {
        name: field.default for name, field in fields_of("rollout.server", RolloutServerConfig).items()
    }
    rollout["server"].update(server)
    return copy.deepcopy(
        {
            "model": {"name": "org/model", "revision": None, "trust_remote_code": False},
            "training": {"use_vllm": True, "vllm_mode": "server"},
            "rollout": rollout,
            "launch": {"kind": "auto"},
        }
    )


def planned(made: dict[str, Any]) -> ServerPlan:
    plan = plan_server(made, MACHINE)
    assert plan is not None and plan.started
    return plan


def vllm_command(plan: ServerPlan) -> list[str]:
    """What TRL's own script makes of our command line: the command of vLLM's server."""
    from trl.scripts import vllm_serve

    assert plan.argv[: len(SERVE)] == SERVE
    words = list(plan.argv[len(SERVE) :])
    arguments, extra = vllm_serve.make_parser().parse_args_and_config(words, return_remaining_strings=True)
    return vllm_serve.build_command(arguments, extra)


def test_trl_takes_the_command_line_and_passes_on_what_it_does_not_know():
    made = config(
        gpus=2,
        args={"gpu_memory_utilization": 0.8, "enforce_eager": True, "max-num-seqs": 64, "async_scheduling": False},
    )
    made["model"].update(revision="v2", trust_remote_code=True)
    made["training"]["vllm_max_model_length"] = 4096
    plan = planned(made)
    command = vllm_command(plan)
    assert command[3:5] == ["serve", "org/model"]
    options = dict(itertools.pairwise(command[5:]))
    assert options["--host"] == "127.0.0.1" and plan.url == f"http://127.0.0.1:{options['--port']}"
    assert options["--tensor-parallel-size"] == "2"
    assert options["--gpu-memory-utilization"] == "0.8"
    assert options["--max-model-len"] == "4096" and options["--revision"] == "v2"
    assert options["--max-num-seqs"] == "64"
    assert {"--enforce-eager", "--trust-remote-code", "--no-async-scheduling"} <= set(command)
    assert "--weight-transfer-config" in command, "what TRL's trainers need is TRL's to add"


def test_the_embedded_model_is_served_from_its_folder():
    made = config()
    made["model"]["name"] = "embedded"
    assert planned(made).model == str(EMBEDDED_MODEL)


def test_the_server_sees_its_own_gpus_and_its_own_settings(monkeypatch):
    monkeypatch.setenv("RANK", "3")  # of an outer launcher
    plan = planned(config(gpus=2, env={"VLLM_LOGGING_LEVEL": "DEBUG", "CUDA_VISIBLE_DEVICES": "0"}))
    assert plan.env["CUDA_VISIBLE_DEVICES"] == "2,3", "the split is not for rollout.server.env to undo"
    assert plan.env["VLLM_LOGGING_LEVEL"] == "DEBUG" and "RANK" not in plan.env


@pytest.mark.parametrize("command", ["python my_server.py --fast", ["python", "my_server.py", "--fast"]])
def test_another_command_is_given_the_same_options(command):
    plan = planned(config(command=command))
    assert plan.argv[:3] == ("python", "my_server.py", "--fast")
    assert plan.argv[3:5] == ("--model", "org/model")


def test_a_port_that_is_taken_is_refused_before_anything_starts():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"rollout.server.port={port} is taken by another program"):
            plan_server(config(port=port), MACHINE)
    assert planned(config(port=port)).url.endswith(f":{port}")


def test_every_start_has_ports_of_its_own():
    plans = [planned(config()) for _ in range(4)]
    assert len({plan.url for plan in plans}) == len({plan.group_port for plan in plans}) == 4


@pytest.mark.parametrize(
    ("url", "training", "expected"),
    [
        (None, {}, None),
        ("http://node7:8000/", {}, "http://node7:8000"),
        (None, {"vllm_server_base_url": "http://node7:8000"}, "http://node7:8000"),
        ("http://node7:8000", {"vllm_server_base_url": "http://node7:8000/"}, "http://node7:8000"),
        (None, {"vllm_server_host": "node7"}, "http://node7:8000"),
        (None, {"vllm_server_port": 9000}, "http://127.0.0.1:9000"),
        (None, {"vllm_server_host": "0.0.0.0", "vllm_server_port": 9000}, "http://127.0.0.1:9000"),
    ],
)
def test_a_running_server_is_named_by_url_or_by_trls_own_keys(url, training, expected):
    made = config()
    made["rollout"]["url"] = url
    made["training"].update(training)
    assert server_url(made) == expected
    plan = plan_server(made, MACHINE)
    assert plan is not None and plan.started == (expected is None)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("http://127.0.0.1:8000", True),
        ("https://rollouts.example.org/v2", True),
        ("node7:8000", False),
        ("http://", False),
        ("http://node7:eight", False),
    ],
)
def test_what_an_address_is(text, good):
    assert bool(ADDRESS.fullmatch(text)) == good


def test_the_workers_are_told_of_the_server_that_was_started(monkeypatch):
    plan = planned(config())
    assert plan.worker_env == {URL: plan.url, GROUP_PORT: str(plan.group_port)}
    for name, value in plan.worker_env.items():
        monkeypatch.setenv(name, value)
    made = config()
    (resolved,) = connect_server(made)
    assert made["training"]["vllm_server_base_url"] == plan.url == resolved.value
    assert made["training"]["vllm_group_port"] == plan.group_port


def test_a_named_server_comes_before_one_in_the_environment(monkeypatch):
    monkeypatch.setenv(URL, "http://127.0.0.1:1")  # of a run that started this one
    made = config()
    made["rollout"]["url"] = "http://node7:8000"
    connect_server(made)
    assert made["training"]["vllm_server_base_url"] == "http://node7:8000"
    assert "vllm_group_port" not in made["training"]


def test_without_a_server_nothing_is_told():
    made = config()
    made["training"]["vllm_mode"] = "colocate"
    assert connect_server(made) == [] and plan_server(made, MACHINE) is None


def test_a_worker_whose_server_is_missing_says_so(monkeypatch):
    monkeypatch.delenv(URL, raising=False)
    with pytest.raises(ConfigError, match="this run started no server"):
        connect_server(config())


def test_a_dry_run_shows_both_commands_and_their_gpus(tmp_path):
    env = pretend_gpus(tmp_path / "site")
    words = [*COMMAND, "rollout=vllm_server", "rollout.server.port=8765", "dry_run=true"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    head, server, launch, worker = done.stdout.splitlines()
    assert head == "# rollout server at http://127.0.0.1:8765 on GPU 1, ready within 600 s"
    assert "CUDA_VISIBLE_DEVICES=1 " in server and f"{sys.executable} -m trl.scripts.vllm_serve --model" in server
    assert launch.startswith("# single_gpu, 1 process")
    assert "CUDA_VISIBLE_DEVICES=0 " in worker
