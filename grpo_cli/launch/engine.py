"""What carries the ranks: DDP, FSDP2, DeepSpeed or a config file of the user's own, each of them accelerate's.

An engine is what it adds to the command line of `accelerate launch`, and the files it needs in the run folder; with
the two, a run can be started again by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.launch.command import FLAG, accelerate_options
from grpo_cli.launch.deepspeed import deepspeed_config, deepspeed_json, stage_of
from grpo_cli.launch.fsdp import fsdp_config
from grpo_cli.launch.own_config import OwnConfig

# In the run folder.
ACCELERATE_FILE = "launch/accelerate.yaml"
DEEPSPEED_FILE = "launch/deepspeed.json"


@dataclass(frozen=True)
class Engine:
    """How the ranks are carried.

    Attributes:
        options: of `accelerate launch`; None for one plain process.
        files: text of the files it needs, by their path in the run folder.
    """

    options: dict[str, str] | None
    files: dict[str, str] = field(default_factory=dict)


def choose_engine(
    cfg_launch: Mapping[str, Any], processes: int, run_folder: Path, own: OwnConfig | None = None
) -> Engine:
    """Build the engine that `launch.sharding` or `launch.accelerate_config` asks for.

    Args:
        cfg_launch: the `launch` group.
        processes: ranks.
        run_folder: the run's folder.
        own: the user's own file, read.
    """
    sharding = str(cfg_launch.get("sharding") or "none")
    folder = run_folder.resolve()
    options = accelerate_options(processes, folder / ACCELERATE_FILE)
    if own is not None:
        return _own(own, options, folder)
    if sharding == "none":
        return Engine(accelerate_options(processes) if processes > 1 else None)
    del options["multi_gpu"]
    if sharding == "fsdp2":
        values = {"distributed_type": "FSDP", "fsdp_config": fsdp_config(cfg_launch["fsdp"])}
        return Engine({"use_fsdp": FLAG, **options}, {ACCELERATE_FILE: accelerate_yaml(values, "FSDP2")})
    stage, settings = stage_of(sharding), cfg_launch["deepspeed"]
    values = {
        "distributed_type": "DEEPSPEED",
        "deepspeed_config": deepspeed_config(str(folder / DEEPSPEED_FILE), stage, settings),
    }
    files = {
        ACCELERATE_FILE: accelerate_yaml(values, f"DeepSpeed ZeRO-{stage}"),
        DEEPSPEED_FILE: json.dumps(deepspeed_json(stage, settings), indent=2) + "\n",
    }
    return Engine({"use_deepspeed": FLAG, **options}, files)


def accelerate_yaml(values: Mapping[str, Any], title: str) -> str:
    """The text of an accelerate config file; what is not in it stands on the command line.

    Args:
        values: what the engine adds.
        title: whose it is, for the comment at its top.
    """
    import yaml

    everything = {"compute_environment": "LOCAL_MACHINE", **values, "machine_rank": 0, "same_network": True}
    return f"# {title}, written by grpo-train for this run.\n" + yaml.safe_dump(everything, sort_keys=False)


def _own(own: OwnConfig, options: dict[str, str], folder: Path) -> Engine:
    """The user's own file, with what it refers to, copied into the run folder."""
    values, files = dict(own.values), {}
    if own.deepspeed_text is not None:
        files[DEEPSPEED_FILE] = own.deepspeed_text
        values["deepspeed_config"] = {
            **values["deepspeed_config"],
            "deepspeed_config_file": str(folder / DEEPSPEED_FILE),
        }
    # What the file says of these counts; which GPUs it takes is in CUDA_VISIBLE_DEVICES already.
    options.pop("dynamo_backend")
    options["gpu_ids"] = "all"
    flag = {"FSDP": "use_fsdp", "DEEPSPEED": "use_deepspeed"}.get(own.distributed_type, "multi_gpu")
    del options["multi_gpu"]
    if flag == "multi_gpu" and own.num_processes == 1:
        return Engine(None)
    import yaml

    text = f"# A copy of {own.path}.\n" + yaml.safe_dump(values, sort_keys=False)
    return Engine({flag: FLAG, **options}, {ACCELERATE_FILE: text, **files})
