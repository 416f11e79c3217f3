"""FSDP2: the accelerate config file that a run sharded by PyTorch starts from, written into its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# accelerate's `fsdp_config`, in the order it is written; ours are the same names without the prefix.
KEYS = (
    "reshard_after_forward",
    "auto_wrap_policy",
    "transformer_layer_cls_to_wrap",
    "min_num_params",
    "offload_params",
    "cpu_ram_efficient_loading",
    "activation_checkpointing",
    "state_dict_type",
)


def fsdp_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Accelerate's `fsdp_config` for FSDP2.

    Args:
        settings: `launch.fsdp`.

    Returns:
        Names as in a file of `accelerate config`; what does not apply is left out.
    """
    policy = settings["auto_wrap_policy"]
    skipped = {
        "min_num_params": policy != "SIZE_BASED_WRAP",
        # Without a name accelerate asks the model (`_no_split_modules`).
        "transformer_layer_cls_to_wrap": not settings["transformer_layer_cls_to_wrap"],
    }
    values = {f"fsdp_{key}": settings[key] for key in KEYS if not skipped.get(key)}
    return {"fsdp_version": 2, **values}
