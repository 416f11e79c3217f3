"""The batch arithmetic of GRPO: whole groups must fit into what is generated at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from grpo_cli.config.trl_fields import read_fields


def problem(training: Mapping[str, Any], world_size: int) -> str | None:
    """Check that a generation batch holds whole groups, as TRL will once the processes are up.

    Args:
        training: the resolved `training` section; keys it lacks have TRL's defaults.
        world_size: number of worker processes.

    Returns:
        One sentence with numbers that would fit, or None.
    """

    def get(name: str) -> Any:
        return training.get(name, read_fields()[name].default)

    group, per_device = get("num_generations"), get("per_device_train_batch_size")
    accumulation = get("gradient_accumulation_steps")
    if not all(type(n) is int and n > 0 for n in (group, per_device, accumulation, world_size)):
        return None  # their own checks say so
    step = per_device * world_size
    generated = get("generation_batch_size")
    if generated is not None:
        how = f"training.generation_batch_size={generated}"
        key, unit = "generation_batch_size", 1
        if generated % step:
            return (
                f"{how} must be a multiple of per_device_train_batch_size x processes = {per_device} x "
                f"{world_size} = {step}; {step * max(1, round(generated / step))} would do."
            )
    else:
        key = "steps_per_generation" if get("steps_per_generation") else "gradient_accumulation_steps"
        times, unit = get("steps_per_generation") or accumulation, step
        generated = step * times
        product = f"{per_device} x {world_size} x {times} = {generated}"
        how = f"per_device_train_batch_size x processes x {key} = {product}"
    if generated % group == 0:
        return None
    least = math.lcm(group, step) // unit
    fit = max((n for n in range(2, min(generated, group * 2) + 1) if generated % n == 0), default=None)
    other = f" or training.num_generations={fit}" if fit else ""
    return (
        f"{how} completions do not make whole groups of training.num_generations={group}; "
        f"training.{key}={least}{other} would do."
    )
