"""What every `auto` becomes on this machine. Each rule stands in the config beside its key as well."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Any

import torch

from grpo_cli.errors import ConfigError
from grpo_cli.preflight.hardware import half_precision_problem
from grpo_cli.rollout.engine import (
    USE_CONTINUOUS_BATCHING,
    USE_VLLM,
    auto_continuous_batching,
    auto_vllm,
    server_url,
    uses_server,
)
from grpo_cli.rollout.plan import GROUP_PORT, URL
from grpo_cli.rollout.vllm import vllm_version


@dataclass(frozen=True)
class Resolved:
    """One `auto` with the value it got and the reason."""

    key: str
    value: Any
    why: str


def resolve_auto(config: dict[str, Any]) -> list[Resolved]:
    """Replace every `auto` in a frozen configuration, in place.

    Args:
        config: the frozen configuration as plain containers.

    Returns:
        What was resolved, in order.

    Raises:
        ConfigError: a value asked for explicitly is one this hardware cannot do.
    """
    training, model = config["training"], config["model"]
    has_accelerator = torch.accelerator.is_available() and config["launch"]["kind"] != "cpu"
    resolved: list[Resolved] = []

    def settle(section: dict[str, Any], name: str, key: str, value: Any, why: str) -> None:
        if section.get(key) == "auto":
            section[key] = value
            resolved.append(Resolved(f"{name}.{key}", value, why))

    settle(training, "training", "use_cpu", not has_accelerator, _accelerator_name(has_accelerator))
    on_cpu = bool(training.get("use_cpu"))
    bf16_works = not on_cpu and _supports_bf16()
    settle(
        training,
        "training",
        "fp16",
        not on_cpu and not bf16_works and training.get("bf16") in ("auto", False),
        "a GPU without bfloat16" if not on_cpu and not bf16_works else "not needed",
    )
    settle(
        training,
        "training",
        "bf16",
        bf16_works and not training.get("fp16"),
        "the GPU computes in bfloat16" if bf16_works else "no GPU with bfloat16",
    )
    if on_cpu and (training.get("bf16") or training.get("fp16")):
        raise ConfigError(half_precision_problem("bf16" if training.get("bf16") else "fp16"))
    has_vllm = importlib.util.find_spec("vllm") is not None
    choice = auto_vllm(on_cpu=on_cpu, installed=has_vllm, version=vllm_version())
    settle(training, "training", USE_VLLM, choice.value, choice.why)
    choice = auto_continuous_batching(
        use_vllm=bool(training.get(USE_VLLM)),
        cuda=not on_cpu and torch.cuda.is_available(),
        sharding=str(config["launch"].get("sharding") or "none"),
    )
    settle(training, "training", USE_CONTINUOUS_BATCHING, choice.value, choice.why)
    half_weights = config["peft"]["method"] != "none" and bf16_works
    settle(
        model,
        "model",
        "dtype",
        "bfloat16" if half_weights else "float32",
        "frozen weights under an adapter need no more" if half_weights else "the weights that are trained",
    )
    if not on_cpu and model["dtype"] in ("bfloat16", "float16") and importlib.util.find_spec("flash_attn"):
        settle(model, "model", "attn_implementation", "flash_attention_2", "flash_attn is installed, 16-bit weights")
    return resolved + connect_server(config)


def connect_server(config: dict[str, Any]) -> list[Resolved]:
    """Write under TRL's keys where the rollout server is: the one the configuration names, or this run's own.

    Args:
        config: the configuration, changed in place; the engine is settled in it.

    Returns:
        What was written and why; nothing where no server generates.
    """
    training = config["training"]
    if not uses_server(training):
        return []
    url = server_url(config)
    why = "a server that runs already"
    if url is None:
        url, why = os.environ.get(URL), "the server that this run started"
        if url is None:
            raise ConfigError(
                "training.vllm_mode=server: this run started no server; write rollout=vllm_server, or rollout.url=…."
            )
        training["vllm_group_port"] = training.get("vllm_group_port") or int(os.environ[GROUP_PORT])
    training["vllm_server_base_url"] = url
    return [Resolved("training.vllm_server_base_url", url, why)]


def _accelerator_name(available: bool) -> str:
    """The accelerator's name, or that there is none in use."""
    if not available:
        return "no GPU in use"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else str(torch.accelerator.current_accelerator())


def _supports_bf16() -> bool:
    """Whether the accelerator computes in bfloat16 itself rather than emulating it."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.accelerator.is_available()
