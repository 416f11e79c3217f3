"""From a configuration on a machine to what the memory forecast needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grpo_cli.forecast.memory import Setup

if TYPE_CHECKING:
    from grpo_cli.preflight.situation import Situation

MIB = 2**20
# Before any tensor: interpreter, torch, transformers, TRL and the data on a CPU; the CUDA context and cuBLAS on a GPU.
BASE_CPU, BASE_GPU = 480 * MIB, 700 * MIB
ASSUMED_PROMPT = 256  # tokens, where neither the data nor dataset.max_prompt_tokens says
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def setup_of(situation: Situation, prompt_tokens: int | None = None) -> Setup | None:
    """Describe a run's memory.

    Args:
        situation: the configuration on its machine.
        prompt_tokens: the longest prompt, where it was measured.

    Returns:
        What `memory.forecast` takes; None where the model's config is not on this machine or the sizes are invalid.
    """
    shape = situation.architecture
    if shape is None or not situation.sizes_valid:
        return None
    value, config = situation.value, situation.config
    method = config["peft"]["method"]
    half = bool(value("bf16") or value("fp16"))
    completion = int(value("max_completion_length") or 512)
    known = situation.rows.longest if situation.rows else None
    prompt = prompt_tokens or config["dataset"].get("max_prompt_tokens") or known or ASSUMED_PROMPT
    if shape.context:
        prompt = max(1, min(prompt, shape.context - completion))
    dtype = str(config["model"]["dtype"])
    if dtype == "auto":
        dtype = "bfloat16" if method != "none" and half else "float32"
    fsdp = config["launch"].get("fsdp") or {}
    engine = bool(value("use_vllm"))
    vllm = 0.0
    if engine and situation.gpus and value("vllm_mode") == "colocate":
        vllm = float(value("vllm_gpu_memory_utilization")) * (situation.gpus[0].memory_mib or 0) * MIB
    return Setup(
        model=shape,
        weight_bytes=_BYTES.get(dtype, 4),
        compute_bytes=2 if half else _BYTES.get(dtype, 4),
        micro_batch=situation.batch.per_device_train_batch_size,
        accumulation=situation.batch.gradient_accumulation_steps,
        generated=situation.batch.per_device_train_batch_size * situation.batch.steps_per_generation,
        prompt=prompt,
        completion=completion,
        checkpointing=bool(value("gradient_checkpointing") or fsdp.get("activation_checkpointing")),
        reference=bool(value("beta")) and method == "none",
        adapter_rank=None if method == "none" else int(config["peft"]["r"]),
        base_bits=int(config["peft"]["bits"]) if method == "qlora" else None,
        optimizer=str(value("optim")),
        fused=not situation.on_cpu,
        eager=config["model"]["attn_implementation"] == "eager",
        double_quant=bool(config["peft"].get("double_quant", True)),
        replicas=situation.world_size,
        **_sharding(config["launch"], situation.world_size),
        gathers_to_generate=bool(value("ds3_gather_for_generation") or config["launch"].get("sharding") == "fsdp2"),
        engine=engine,
        vllm=vllm,
        vllm_sleeps=bool(value("vllm_enable_sleep_mode")),
        on_cpu=situation.on_cpu,
        base=BASE_CPU if situation.on_cpu else BASE_GPU,
    )


def _sharding(launch: Mapping[str, Any], world_size: int) -> dict[str, Any]:
    """What `launch` says of sharding and offloading, in the terms of `Setup`."""
    sharding = str(launch.get("sharding") or "none")
    fsdp, zero = launch.get("fsdp") or {}, launch.get("deepspeed") or {}
    if sharding == "none":
        return {"can_shard": "sharding" in launch}
    if sharding == "fsdp2":
        away = "cpu" if fsdp.get("offload_params") else "none"
        optimizer, param = away, away
    else:
        optimizer, param = (str(zero.get(f"offload_{what}_device") or "none") for what in ("optimizer", "param"))
    return {
        "sharding": sharding,
        "shards": world_size,
        "offload_optimizer": optimizer,
        "offload_param": param,
        "keeps_gathered": sharding == "fsdp2" and not fsdp.get("reshard_after_forward", True),
        "can_shard": True,
    }


def available(situation: Situation) -> float | None:
    """Bytes that one process may use: its GPU's, or its share of the machine's; None where that is not known."""
    if situation.on_cpu:
        return situation.hardware.memory_bytes / situation.world_size
    if situation.gpus and all(gpu.memory_mib for gpu in situation.gpus):
        return float(min(gpu.memory_mib or 0 for gpu in situation.gpus) * MIB)
    return None
