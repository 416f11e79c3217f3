"""A dry run for another machine: on one without GPUs, what would be started on one that has them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.launch.own_config import read_own

ELSEWHERE = "GPU elsewhere"  # the name of a GPU that a dry run makes up
FEWEST = 2  # where no number is said: as few as share out anything


def hardware_asked_for(cfg_launch: Mapping[str, Any], hardware: Hardware, *, server_gpus: int = 0) -> Hardware:
    """The GPUs that a dry run is to assume where there are none at all: as many as it says by number, else two.

    Args:
        cfg_launch: the `launch` group.
        hardware: this machine.
        server_gpus: GPUs that a rollout server takes beside those of the workers.

    Returns:
        This machine, with GPUs where `launch` asks for them and none is usable here.

    Raises:
        ConfigError: `launch.accelerate_config` cannot be used.
    """
    own = read_own(cfg_launch)
    kind, number = cfg_launch.get("kind", "auto"), cfg_launch.get("num_processes", "auto")
    if own is not None and kind == "auto" and not own.on_cpu:
        kind, number = "multi_gpu", own.num_processes
    if kind == "single_gpu":
        number = 1
    unsaid = number in (None, "auto")
    if unsaid:
        number = FEWEST
    if hardware.usable_gpus or kind not in ("single_gpu", "multi_gpu") or not str(number).isdigit() or number == 0:
        return hardware
    count = int(number) + server_gpus
    other = "; launch.num_processes says for how many" if unsaid else ""
    print(
        f"No GPU is usable here; this is for a machine with {count}{other}.",
        file=sys.stderr,
    )
    gpus = tuple(Gpu(str(index), "", ELSEWHERE, None) for index in range(count))
    return dataclasses.replace(hardware, gpus=gpus, torch_cuda=hardware.torch_cuda or "elsewhere")


def is_elsewhere(hardware: Hardware) -> bool:
    """Whether a machine is one that a dry run makes up, of whose software nothing is known."""
    return any(gpu.name == ELSEWHERE for gpu in hardware.gpus)
