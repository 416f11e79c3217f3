"""Settings that the hardware of the launch cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def hardware_problems(config: Mapping[str, Any], on_cpu: bool) -> list[str]:
    """Name the settings that need a GPU where the run has none.

    Args:
        config: the configuration as plain containers.
        on_cpu: whether the workers will run on the CPU.

    Returns:
        One sentence per problem.
    """
    if not on_cpu:
        return []
    problems = [half_precision_problem(key) for key in ("bf16", "fp16") if config["training"].get(key) is True]
    attention = str(config["model"]["attn_implementation"])
    if attention.startswith("flash_attention"):
        problems.append(
            f"model.attn_implementation={attention} needs a GPU, and this run is on the CPU; write "
            "model.attn_implementation=auto."
        )
    if config["training"].get("use_vllm") is True:
        preset = "vllm_server" if config["training"].get("vllm_mode") == "server" else "vllm_colocate"
        problems.append(
            f"training.use_vllm=true (rollout={preset}) needs a GPU, and this run is on the CPU; write "
            "rollout=transformers."
        )
    if config["peft"]["method"] == "qlora":
        problems.append("peft=qlora needs an NVIDIA GPU, and this run is on the CPU; write peft=lora.")
    return problems


def half_precision_problem(key: str) -> str:
    """Say that `training.bf16` or `training.fp16` is not for a CPU."""
    return (
        f"training.{key}: this run is on the CPU, where half precision is slower and TRL refuses it by default; "
        f"write training.{key}=false, or training.{key}=auto."
    )
