"""Which GPUs the server gets and which the trainer: the server's are the last of the visible ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.rollout.engine import starts_server

_ELSEWHERE = "rollout=vllm_colocate, or rollout.url=http://<host>:8000 for a server elsewhere"


def share_gpus(config: Mapping[str, Any], hardware: Hardware) -> tuple[Hardware, tuple[Gpu, ...]]:
    """Take the server's GPUs away from what the trainer may see.

    Args:
        config: the configuration as plain containers.
        hardware: the machine.

    Returns:
        The machine as the trainer's launch sees it, and the server's GPUs (none where no server is started).

    Raises:
        ConfigError: there are not enough for both, or the launch needs more machines than one.
    """
    visible = hardware.usable_gpus
    if not starts_server(config) or not visible or config["training"].get("use_cpu") is True:
        return hardware, ()  # without a GPU the rules for hardware speak
    launch, wanted = config["launch"], int(config["rollout"]["server"]["gpus"])
    if launch.get("kind") == "cpu":
        return hardware, ()
    nodes = (launch.get("nodes") or {}).get("count", 1)
    if isinstance(nodes, int) and nodes > 1:
        raise ConfigError(
            f"rollout=vllm_server starts a server on one machine and launch.nodes.count={nodes} trains on several; "
            "start the server yourself and write rollout.url=http://<host>:8000."
        )
    left = len(visible) - wanted
    if len(visible) == 1:
        raise ConfigError(
            "rollout=vllm_server needs two GPUs or more, one of them for the server, and one is visible; "
            f"write {_ELSEWHERE}."
        )
    if left < 1:
        raise ConfigError(
            f"rollout.server.gpus={wanted} leaves none of the {len(visible)} visible GPUs for training; "
            f"write rollout.server.gpus={len(visible) - 1}."
        )
    processes = launch.get("num_processes")
    if isinstance(processes, int) and processes > left:
        raise ConfigError(
            f"launch.num_processes={processes} and rollout.server.gpus={wanted} need {processes + wanted} GPUs and "
            f"{len(visible)} are visible; write launch.num_processes={left}."
        )
    if launch.get("kind") == "multi_gpu" and left == 1:
        raise ConfigError(
            f"launch=multi_gpu and rollout.server.gpus={wanted} leave one of the {len(visible)} visible GPUs for "
            "training; write launch=single_gpu."
        )
    return replace(hardware, gpus=visible[:left]), visible[left:]
