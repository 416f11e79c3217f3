"""Merging an adapter into its model where the model in memory is sharded: from the files, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def merge_saved_adapter(folder: Path, init_kwargs: Mapping[str, Any]) -> None:
    """Replace an adapter that was saved into a folder by its base model with the adapter merged in.

    Needs CPU memory for the whole model. For one process, after training: nothing may be sharded any more while it
    is loaded.

    Args:
        folder: holds `adapter_config.json` and the adapter's weights.
        init_kwargs: what the base model was loaded with.
    """
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()  # else ZeRO-3 would shard what is loaded now, and wait for the other ranks
    config = PeftConfig.from_pretrained(str(folder))
    kept = {key: init_kwargs[key] for key in ("dtype", "revision", "trust_remote_code") if key in init_kwargs}
    base = AutoModelForCausalLM.from_pretrained(config.base_model_name_or_path, **{"dtype": torch.float32, **kept})
    merged: Any = PeftModel.from_pretrained(base, str(folder), is_trainable=False)
    merged.merge_and_unload().save_pretrained(folder)
    for left in (*folder.glob("adapter_*"), folder / "README.md"):
        left.unlink(missing_ok=True)
