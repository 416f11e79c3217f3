"""What cannot be in the `launch` group together: each in one sentence, with what to write instead. Light."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from grpo_cli.config.groups.launch import SHARDINGS, DeepSpeedConfig, FsdpConfig
from grpo_cli.launch.deepspeed import stage_of


def sharding_problem(cfg_launch: Mapping[str, Any], kind: str, processes: int) -> str | None:
    """Hold `launch.sharding` and its settings against each other and against the processes there will be.

    Args:
        cfg_launch: the `launch` group.
        kind: hardware that was chosen: cpu, single_gpu, multi_gpu.
        processes: ranks, over all nodes.

    Returns:
        The first contradiction; None where there is none.
    """
    return next(_problems(cfg_launch, kind, processes), None)


def _problems(cfg_launch: Mapping[str, Any], kind: str, processes: int) -> Iterator[str]:
    sharding = str(cfg_launch.get("sharding") or "none")
    if sharding not in SHARDINGS:
        yield f"launch.sharding={sharding} is not known; write one of {', '.join(SHARDINGS)}."
        return
    fsdp, deepspeed = dict(cfg_launch.get("fsdp") or {}), dict(cfg_launch.get("deepspeed") or {})
    stage = stage_of(sharding)
    if sharding == "fsdp2" and processes == 1:
        more = "launch.num_processes=2" if kind == "cpu" else "launch.sharding=none"
        yield f"launch.sharding=fsdp2 shares the model out among processes, and there is one; write {more}."
    # A file of the user's own says all this itself.
    if sharding != "fsdp2" and (key := _changed(fsdp, FsdpConfig)):
        yield f"launch.fsdp.{key}={_show(fsdp[key])} is FSDP's and launch.sharding={sharding}; write launch=fsdp2."
    if not stage and (key := _changed(deepspeed, DeepSpeedConfig)):
        yield (
            f"launch.deepspeed.{key}={_show(deepspeed[key])} is DeepSpeed's and launch.sharding={sharding}; write "
            f"launch=deepspeed_zero{3 if key in ('offload_param_device', 'zero3_init_flag') else 2}."
        )
    if stage:
        yield from _offload_problems(stage, deepspeed)
    if sharding == "fsdp2":
        yield from _fsdp_problems(fsdp, kind)


def _offload_problems(stage: int, deepspeed: Mapping[str, Any]) -> Iterator[str]:
    optimizer, param = deepspeed["offload_optimizer_device"], deepspeed["offload_param_device"]
    if param != "none" and stage != 3:
        yield (
            f"launch.deepspeed.offload_param_device={param} needs ZeRO-3, which alone shards the weights; write "
            "launch=deepspeed_zero3."
        )
    if optimizer == "nvme" and stage != 3:
        yield (
            "launch.deepspeed.offload_optimizer_device=nvme needs ZeRO-3; write launch=deepspeed_zero3 or "
            "launch.deepspeed.offload_optimizer_device=cpu."
        )
    if "nvme" in (optimizer, param) and not deepspeed["nvme_path"]:
        yield "launch.deepspeed.nvme_path must name a folder on a local disk, for what is offloaded to nvme."


def _fsdp_problems(fsdp: Mapping[str, Any], kind: str) -> Iterator[str]:
    if fsdp["offload_params"] and kind == "cpu":
        yield (
            "launch.fsdp.offload_params=true moves weights from a GPU to CPU memory, and this run is on the CPU; write "
            "launch.fsdp.offload_params=false."
        )
    if fsdp["transformer_layer_cls_to_wrap"] and fsdp["auto_wrap_policy"] != "TRANSFORMER_BASED_WRAP":
        yield (
            f"launch.fsdp.transformer_layer_cls_to_wrap is for auto_wrap_policy TRANSFORMER_BASED_WRAP, not "
            f"{fsdp['auto_wrap_policy']}; write launch.fsdp.auto_wrap_policy=TRANSFORMER_BASED_WRAP."
        )


def _changed(given: Mapping[str, Any], declared: type) -> str | None:
    """The first key that is set to something else than its default."""
    defaults = {field.name: field.default for field in dataclasses.fields(declared)}
    return next((key for key, value in given.items() if key in defaults and value != defaults[key]), None)


def _show(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
