"""Sharing one machine out among the jobs of a multirun: each slot has GPUs of its own, or cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu, Hardware


@dataclass(frozen=True)
class Slot:
    """A part of the machine that one job at a time runs on.

    Attributes:
        number: from 0.
        gpus: its GPUs; none on the CPU.
        cores: the CPU cores that its processes share.
        whole: it is the only one, and its jobs see the machine as it is.
    """

    number: int
    gpus: tuple[Gpu, ...]
    cores: int
    whole: bool = False

    def hardware(self, machine: Hardware) -> Hardware:
        """The machine as a job in this slot sees it; its memory is shared out by need (forecast/packing.py)."""
        return machine if self.whole else replace(machine, gpus=self.gpus, cores=self.cores)


def plan_slots(launch: Mapping[str, Any], training: Mapping[str, Any], hardware: Hardware) -> list[Slot]:
    """Share the machine out as `launch.slots` and `launch.gpus_per_job` say.

    How many cores a slot has depends on these settings alone and not on how many jobs there are: a job that is gone
    on with computes with as many threads as before.

    Args:
        launch: the `launch` group.
        training: the `training` group; only `use_cpu` is looked at.
        hardware: the machine.

    Returns:
        The slots, one at least.

    Raises:
        ConfigError: there are fewer GPUs than asked for, or a job takes several machines.
    """
    wanted, each = _number(launch, "slots", 1), _number(launch, "gpus_per_job", "auto")
    on_cpu = launch.get("kind") == "cpu" or training.get("use_cpu") is True
    gpus = () if on_cpu else hardware.usable_gpus
    whole = [Slot(0, gpus, hardware.cores, whole=True)]
    if wanted == 1 and each is None:
        return whole
    if (launch.get("nodes") or {}).get("count", 1) != 1:
        raise ConfigError(
            "launch.slots shares out one machine, and launch.nodes.count asks for several for each job; leave one out."
        )
    if not gpus:
        if each is not None:
            raise ConfigError(
                f"launch.gpus_per_job={each}, and the jobs run on the CPU; leave it out: launch.slots shares out cores."
            )
        processes = _number(launch, "num_processes", "auto") or 1
        count = wanted or max(1, hardware.cores // processes)
        cores = max(1, hardware.cores // count)
        return [Slot(number, (), cores) for number in range(count)] if count > 1 else whole
    each = each or _gpus_of_a_job(launch)
    most = len(gpus) // each
    count = wanted or most
    if count > most or count == 0:
        fix = f"launch.slots={most}" if most else f"launch.gpus_per_job={len(gpus)}"
        raise ConfigError(
            f"launch.slots={wanted or 'auto'} with {each} GPU{'s' * (each > 1)} a job needs {max(count, 1) * each} "
            f"GPUs and {len(gpus)} can be used here; write {fix}."
        )
    cores = max(1, hardware.cores // count)
    return [Slot(n, tuple(gpus[n * each : (n + 1) * each]), cores) for n in range(count)]


def fewer_slots(slots: Sequence[Slot], count: int) -> list[Slot]:
    """Leave slots out, since memory does not carry them all, and share out their cores among the rest.

    Args:
        slots: those planned.
        count: how many stay.
    """
    if count >= len(slots):
        return list(slots)
    cores = sum(slot.cores for slot in slots) // count
    return [replace(slot, cores=cores) for slot in slots[:count]]


def _gpus_of_a_job(launch: Mapping[str, Any]) -> int:
    """`launch.gpus_per_job=auto`: one a process, and one process where their number is not given."""
    processes = _number(launch, "num_processes", "auto")
    if processes is None and launch.get("kind") == "multi_gpu":
        raise ConfigError(
            "launch.slots with launch.kind=multi_gpu has to know how many GPUs a job takes; write "
            "launch.gpus_per_job=2 (or more)."
        )
    return processes or 1


def _number(launch: Mapping[str, Any], key: str, default: int | str) -> int | None:
    """A positive whole number, or None for auto."""
    value = launch.get(key, default)
    if value in (None, "auto"):
        return None
    if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
        raise ConfigError(f"launch.{key}={value} must be a whole number of 1 or more, or auto.")
    return int(value)
