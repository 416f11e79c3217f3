"""`launch.accelerate_config`: the user's own file from `accelerate config`, read and held against the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError

TYPES = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP", "DEEPSPEED")


@dataclass(frozen=True)
class OwnConfig:
    """An accelerate config file.

    Attributes:
        path: where it lies.
        values: what is in it.
        distributed_type: one of `TYPES`.
        num_processes: ranks.
        deepspeed_text: the DeepSpeed JSON it refers to.
    """

    path: Path
    values: dict[str, Any]
    distributed_type: str
    num_processes: int
    deepspeed_text: str | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether it asks for CPU ranks."""
        return bool(self.values.get("use_cpu")) or self.distributed_type == "MULTI_CPU"

    @property
    def gpu_ids(self) -> str | None:
        """The GPUs it selects, as in CUDA_VISIBLE_DEVICES; None for all that are visible."""
        chosen = self.values.get("gpu_ids")
        return None if chosen in (None, "all") else str(chosen)


def read_own(cfg_launch: Mapping[str, Any]) -> OwnConfig | None:
    """Read `launch.accelerate_config`.

    Args:
        cfg_launch: the `launch` group.

    Returns:
        The file; None where the key is not set.

    Raises:
        ConfigError: the file is not there, is not one of accelerate's, or contradicts another `launch` key.
    """
    given = cfg_launch.get("accelerate_config")
    if not given:
        return None
    path = Path(str(given)).expanduser().absolute()
    key = f"launch.accelerate_config={given}"
    values = _load(path, key)
    kind = str(values.get("distributed_type") or "NO").upper()
    if kind not in TYPES:
        raise ConfigError(f"{key}: distributed_type {kind} is not one grpo-train starts; take {', '.join(TYPES)}.")
    if (sharding := cfg_launch.get("sharding", "none")) != "none":
        raise ConfigError(
            f"{key} says how the model is sharded, and so does launch.sharding={sharding}; write launch.sharding=none."
        )
    if kind == "FSDP" and str((values.get("fsdp_config") or {}).get("fsdp_version", 1)) != "2":
        raise ConfigError(f"{key}: FSDP's first version is not supported; write fsdp_version: 2 under fsdp_config.")
    if (machines := _number(values.get("num_machines", 1), "num_machines", key)) > 1:
        raise ConfigError(
            f"{key}: it is for {machines} machines; set num_machines: 1 there, and write launch.nodes.count={machines}."
        )
    default = 1 if kind == "NO" else values.get("num_processes")
    processes = _number(values.get("num_processes", default), "num_processes", key)
    wanted = cfg_launch.get("num_processes", "auto")
    if wanted not in (None, "auto") and str(wanted) != str(processes):
        raise ConfigError(
            f"{key} says num_processes: {processes} and launch.num_processes={wanted}; write "
            f"launch.num_processes={processes}, or launch.num_processes=auto."
        )
    return OwnConfig(path, values, kind, processes, _deepspeed_file(values, key))


def precision_notes(own: OwnConfig, training: Mapping[str, Any]) -> list[str]:
    """What the file says of mixed precision and `training` does not: `training` decides, which has to be said.

    Args:
        own: the file.
        training: the `training` section.
    """
    asked = str(own.values.get("mixed_precision") or "no").lower()
    of_run = next((name for name in ("bf16", "fp16") if training.get(name) is True), "no")
    undecided = "auto" in (training.get("bf16"), training.get("fp16")) and of_run == "no"
    if asked == of_run or (undecided and asked in ("no", "bf16")):
        return []
    set_it = f"training.{asked}=true" if asked in ("bf16", "fp16") else "training.bf16=false training.fp16=false"
    return [
        f"mixed_precision: {asked} in {own.path} is not used, training.bf16 and training.fp16 decide; "
        f"write {set_it} if that is what you want."
    ]


def _load(path: Path, key: str) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        raise ConfigError(f"{key}: there is no such file; `accelerate config --config_file {path.name}` makes one.")
    try:
        text = path.read_text()
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{key} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict) or not {"distributed_type", "num_processes", "compute_environment"} & values.keys():
        raise ConfigError(f"{key} is not a file of `accelerate config`: it has neither distributed_type nor the like.")
    if str(values.get("compute_environment", "LOCAL_MACHINE")) != "LOCAL_MACHINE":
        raise ConfigError(f"{key}: compute_environment must be LOCAL_MACHINE, not {values['compute_environment']}.")
    return values


def _number(value: Any, name: str, key: str) -> int:
    if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
        raise ConfigError(f"{key}: {name} must be a whole number of 1 or more, not {value}.")
    return int(value)


def _deepspeed_file(values: Mapping[str, Any], key: str) -> str | None:
    """The text of the DeepSpeed JSON a file refers to."""
    given = (values.get("deepspeed_config") or {}).get("deepspeed_config_file")
    if not given or str(given).lower() == "none":
        return None
    path = Path(str(given)).expanduser()
    if not path.is_file():
        raise ConfigError(f"{key}: its deepspeed_config_file {given} is not there.")
    text = path.read_text()
    try:
        json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{key}: its deepspeed_config_file {given} is not JSON: {error}.") from error
    return text
