"""Loading a model to evaluate it: its files, its number format, its device. torch only where it is needed."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo_cli.assets import model_path
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.blocks import Sampling
from grpo_cli.evaluation.cache import WEIGHT_FILES
from grpo_cli.launch.hardware import installed_gpus, torch_build

if TYPE_CHECKING:
    from grpo_cli.evaluation.generate import TransformersEngine

_AMD_DRIVER = Path("/dev/kfd")


def model_folder(model: Mapping[str, Any]) -> Path:
    """Where a model's files are, downloaded where they have to be.

    Args:
        model: the `model` section.

    Raises:
        ConfigError: there is no such model.
    """
    name = model_path(model["name"])
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=model["revision"], allow_patterns=[*WEIGHT_FILES, "*.json"]))
    except Exception as error:  # the hub's many: no such id, no network, gated
        raise ConfigError(
            f"model={name} is neither a local folder nor a hub id that can be reached "
            f"({type(error).__name__}: {str(error).splitlines()[0]})."
        ) from error


def load_engine(folder: Path, model: Mapping[str, Any], tokenizer: Any, sampling: Sampling) -> TransformersEngine:
    """Load a model, or an adapter on its base, for generating.

    Args:
        folder: of `model_folder`.
        model: the `model` section.
        tokenizer: the model's.
        sampling: how tokens are drawn.

    Raises:
        ConfigError: the folder holds no model that can be loaded.
    """
    import torch
    from transformers.utils.logging import disable_progress_bar

    from grpo_cli.evaluation.generate import TransformersEngine

    disable_progress_bar()  # of loading weights; the caller says what is going on
    loaded = _load(folder, model).to(device()).eval()
    eos = loaded.generation_config.eos_token_id
    ends = [*(eos if isinstance(eos, list) else [] if eos is None else [eos])]
    if tokenizer.eos_token_id not in ends:
        ends.insert(0, tokenizer.eos_token_id)
    return TransformersEngine(loaded, tokenizer, ends, sampling, exact=loaded.dtype == torch.float32)


def _load(folder: Path, model: Mapping[str, Any]) -> Any:
    from grpo_cli.training.model import model_init_kwargs

    arguments: dict[str, Any] = {**model_init_kwargs(dict(model), {}), "dtype": number_format(model)}
    arguments |= {"trust_remote_code": model["trust_remote_code"]}
    arguments.pop("revision", None)
    try:
        if (folder / "adapter_config.json").exists():
            from peft import AutoPeftModelForCausalLM

            return AutoPeftModelForCausalLM.from_pretrained(folder, **arguments)
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(folder, **arguments)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"{folder} holds no model that can be loaded: {str(error).splitlines()[0]}") from error


def number_format(model: Mapping[str, Any]) -> str:
    """The number format of the weights: as training computes, 16 bits on a GPU and 32 on a CPU."""
    if model["dtype"] != "auto":
        return str(model["dtype"])
    if device_type() != "cuda":
        return "float32"
    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


@functools.cache
def device_type() -> str:
    """`cuda` or `cpu`: what torch would compute on, found without it where the machine has no GPU it could use."""
    _, gpu_libraries = torch_build()
    if gpu_libraries is None or not (installed_gpus() or _AMD_DRIVER.exists()):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device() -> Any:
    """The device, as torch has it."""
    import torch

    return torch.device(device_type())


def free_memory() -> None:
    """Give a model's memory back, once nothing holds it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
