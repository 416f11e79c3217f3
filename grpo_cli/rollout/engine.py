"""Which engine generates: what `auto` becomes, and whether a server is started, joined, or not in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.rollout.vllm import version_problem

USE_VLLM = "use_vllm"
USE_CONTINUOUS_BATCHING = "use_transformers_continuous_batching"


@dataclass(frozen=True)
class Choice:
    """The value of a key that said `auto`, and why."""

    value: bool
    why: str


def auto_vllm(*, on_cpu: bool, installed: bool, version: str | None) -> Choice:
    """Decide `training.use_vllm=auto`: vLLM where it is installed, in a version TRL takes, and there is a GPU.

    Args:
        on_cpu: whether the run is on the CPU.
        installed: whether vllm can be imported.
        version: its version, where known.
    """
    if not installed or on_cpu:
        return Choice(False, "needs the vllm package and a GPU")
    if problem := version_problem(version):
        return Choice(False, problem)
    return Choice(True, "vllm is installed and there is a GPU")


def auto_continuous_batching(*, use_vllm: bool, cuda: bool, sharding: str = "none") -> Choice:
    """Decide `training.use_transformers_continuous_batching=auto`: on CUDA, where vLLM is not used.

    Args:
        use_vllm: whether vLLM generates.
        cuda: whether the run is on NVIDIA GPUs; elsewhere the engine is slower than `model.generate`.
        sharding: `launch.sharding`; the engine reads whole weights, which sharded ranks do not have.
    """
    if use_vllm:
        return Choice(False, "vllm generates")
    if not cuda:
        return Choice(False, "no NVIDIA GPU in use, where model.generate is faster")
    if sharding not in ("none", "auto"):
        return Choice(False, f"the weights are sharded (launch.sharding={sharding})")
    return Choice(True, "NVIDIA GPU in use, without vllm")


def uses_server(training: Mapping[str, Any]) -> bool:
    """Whether a vLLM server generates; `use_vllm=auto` gives a colocated engine, never a server."""
    return training.get(USE_VLLM) is True and training.get("vllm_mode") == "server"


def server_url(config: Mapping[str, Any]) -> str | None:
    """The address of a running server that the configuration names.

    Args:
        config: the configuration as plain containers.

    Returns:
        `rollout.url`, or what TRL's own keys for a running server give; None where one is to be started.

    Raises:
        ConfigError: `rollout.url` and TRL's key name two servers.
    """
    training = config["training"]
    url, theirs = config["rollout"]["url"], training.get("vllm_server_base_url")
    if url and theirs and url.rstrip("/") != str(theirs).rstrip("/"):
        raise ConfigError(
            f"rollout.url={url} and training.vllm_server_base_url={theirs} name two servers; keep rollout.url and "
            "write training.vllm_server_base_url=null."
        )
    if url or theirs:
        return str(url or theirs).rstrip("/")
    host, port = training.get("vllm_server_host"), training.get("vllm_server_port")
    if host is None and port is None:
        return None
    # TRL's own default, 0.0.0.0, is what a server listens on; as an address to connect to it is this machine.
    return f"http://{'127.0.0.1' if host in (None, '0.0.0.0') else host}:{port or 8000}"


def starts_server(config: Mapping[str, Any]) -> bool:
    """Whether this run starts a server of its own."""
    return uses_server(config["training"]) and server_url(config) is None
