"""What a step's time depends on, as one short text: runs with the same one take the same time a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from grpo_cli.launch.hardware import Gpu, Hardware

_TRAINING = (
    *("per_device_train_batch_size", "gradient_accumulation_steps", "steps_per_generation", "generation_batch_size"),
    *("num_generations", "num_iterations", "max_completion_length", "gradient_checkpointing", "bf16", "fp16", "tf32"),
    *("loss_type", "optim", "use_liger_kernel", "torch_compile", "use_vllm", "vllm_mode", "vllm_tensor_parallel_size"),
    *("use_transformers_continuous_batching", "chat_template_kwargs", "temperature"),
)
_MODEL = ("name", "revision", "dtype", "attn_implementation", "init_kwargs", "chat_template")
_DATASET = ("path", "name", "generator", "generator_kwargs", "mixture", "max_prompt_tokens", "system_prompt")
_NOT_OF_A_LAUNCH = ("grace_seconds", "env", "foreground", "slurm")


def shape_of(
    config: Mapping[str, Any], hardware: Hardware, *, kind: str, world_size: int, gpus: tuple[Gpu, ...] = ()
) -> str:
    """Sum up what a step's time depends on: model, lengths, batch, rewards, launch, hardware.

    Args:
        config: the configuration as plain containers.
        hardware: the machine.
        kind: how it is launched.
        world_size: in how many processes.
        gpus: those the processes get.

    Returns:
        Sixteen hexadecimal digits; the length of a run, its name and its seed are no part of it.
    """
    training, dataset = config["training"], config["dataset"]
    sizes = dataset.get("generator_kwargs")
    if isinstance(sizes, Mapping):  # how many rows there are takes no time a step
        sizes = {key: value for key, value in sizes.items() if key not in ("num_train", "num_test", "seed", "size")}
    facts = {
        "model": {key: config["model"].get(key) for key in _MODEL},
        "peft": dict(config["peft"]),
        "training": {key: training.get(key) for key in _TRAINING} | {"reference": bool(training.get("beta"))},
        "dataset": {key: dataset.get(key) for key in _DATASET} | {"generator_kwargs": sizes},
        "rewards": {name: entry.get("target") for name, entry in sorted(config["reward"].items())},
        "rollout": config.get("rollout"),
        "launch": {key: value for key, value in config["launch"].items() if key not in _NOT_OF_A_LAUNCH},
        "hardware": [kind, world_size, hardware.cpu, hardware.cores, [gpu.name for gpu in gpus]],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
