"""DeepSpeed's ZeRO: the JSON file DeepSpeed reads, written into the run folder.

What both DeepSpeed and the trainer need to know is `auto`: transformers fills in batch sizes, precision and gradient
clipping out of `training`, so that they can be set in one place only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stage_of(sharding: str) -> int:
    """ZeRO's stage: 1 shards the optimizer, 2 the gradients too, 3 the weights too; 0 for what is not ZeRO.

    Example:
        >>> stage_of("zero2"), stage_of("fsdp2")
        (2, 0)
    """
    return int(sharding.removeprefix("zero")) if sharding.startswith("zero") else 0


def deepspeed_json(stage: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What DeepSpeed is configured with.

    Args:
        stage: ZeRO stage, 1 to 3.
        settings: `launch.deepspeed`.

    Returns:
        A DeepSpeed configuration as the transformers integration takes it.
    """
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": True, "contiguous_gradients": True}
    for what in ("optimizer", "param"):
        device = settings[f"offload_{what}_device"]
        if device != "none":
            zero[f"offload_{what}"] = {"device": device, "pin_memory": True}
        if device == "nvme":
            zero[f"offload_{what}"]["nvme_path"] = settings["nvme_path"]
    if stage == 3:
        # Sizes of buffers that follow the model's hidden size; and whole weights for model/.
        sizes = ("reduce_bucket_size", "stage3_prefetch_bucket_size", "stage3_param_persistence_threshold")
        zero |= dict.fromkeys(sizes, "auto")
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "gradient_clipping": "auto",
        "gradient_accumulation_steps": "auto",
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
    }


def deepspeed_config(json_file: str, stage: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Accelerate's `deepspeed_config` beside such a JSON file.

    Args:
        json_file: where the worker finds it.
        stage: ZeRO stage.
        settings: `launch.deepspeed`.

    Returns:
        Names as in a file of `accelerate config`.
    """
    return {
        "deepspeed_config_file": json_file,
        "zero3_init_flag": bool(stage == 3 and settings["zero3_init_flag"]),
        # Several nodes are started one by one, here as under DDP, not by DeepSpeed over ssh.
        "deepspeed_multinode_launcher": "standard",
    }
