"""What a run asks of Slurm: checked before it is submitted, and the machine that it will get."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from grpo_cli.launch.hardware import Gpu, Hardware

_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_MEMORY = re.compile(r"(\d+)([KMGT]?)", re.IGNORECASE)
_UNITS = {"K": 1 << 10, "": 1 << 20, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
DAY = 1440

# Options the job script sets itself, and the key to write instead.
OWN_OPTIONS = {
    **{name: f"launch.slurm.{name}" for name in ("partition", "account", "qos", "constraint", "time", "nodes", "mem")},
    "cpus-per-task": "launch.slurm.cpus_per_task",
    "gpus-per-node": "launch.slurm.gpus_per_node",
    "gres": "launch.slurm.gpus_per_node",
    "requeue": "launch.slurm.requeue",
    "no-requeue": "launch.slurm.requeue",
    "signal": "launch.slurm.notice_seconds",
    "array": "launch.slurm.array_parallelism",
    "job-name": "name",
    "wait": "launch.slurm.wait",
}
FIXED_OPTIONS = ("ntasks", "ntasks-per-node", "output", "error", "open-mode", "chdir", "parsable", "test-only", "wrap")


def time_minutes(value: str | int) -> float | None:
    """A time limit in minutes.

    Args:
        value: as sbatch takes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].

    Returns:
        Minutes, or None where it is none of these.

    Example:
        >>> time_minutes("1:30:00"), time_minutes("2-12"), time_minutes(90), time_minutes("soon")
        (90.0, 3600.0, 90.0, None)
    """
    found = _CLOCK.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if found is None:
        return None
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return int(days) * DAY + hours * 60 + minutes + seconds / 60
    if len(numbers) == 3:
        return numbers[0] * 60 + numbers[1] + numbers[2] / 60
    return numbers[0] + (numbers[1] / 60 if len(numbers) == 2 else 0)


def memory_bytes(value: str | int) -> int | None:
    """Memory in bytes: `64G`, `512M`, a bare number of MiB; None where it is none of these."""
    found = _MEMORY.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    return int(found[1]) * _UNITS[found[2].upper()] if found else None


def request_problems(cfg_launch: Mapping[str, Any], hardware: Hardware) -> list[str]:
    """What is wrong with `launch.slurm`, one sentence each.

    Args:
        cfg_launch: the `launch` group.
        hardware: this machine, whose installed torch the job will use.
    """
    asked = cfg_launch["slurm"]
    found = []
    time, notice = asked.get("time"), int(asked.get("notice_seconds", 120))
    if time is not None:
        minutes = time_minutes(time)
        if minutes is None or minutes <= 0:
            found.append(
                f"launch.slurm.time={time} is no time that Slurm knows; write launch.slurm.time=4:00:00 "
                "(hours:minutes:seconds), or days-hours, or a number of minutes."
            )
        elif isinstance(time, int) and time >= DAY:
            # YAML reads an unquoted 4:00:00 as the number 14400.
            found.append(
                f"launch.slurm.time={time} would be {time / DAY:g} days in minutes; write it as days-hours:minutes:"
                "seconds, in quotes in a YAML file (unquoted, YAML reads 4:00:00 as 14400)."
            )
        elif minutes * 60 <= notice:
            found.append(
                f"launch.slurm.time={time} is over before launch.slurm.notice_seconds={notice} can be given; ask for "
                "more time, or write a smaller launch.slurm.notice_seconds."
            )
    memory = asked.get("mem")
    if memory is not None and memory_bytes(memory) is None:
        found.append(
            f"launch.slurm.mem={memory} is no amount of memory; write launch.slurm.mem=64G or a number of MiB."
        )
    for key, least in (("nodes", 1), ("gpus_per_node", 0), ("cpus_per_task", 1), ("array_parallelism", 1)):
        number = asked.get(key)
        if number is not None and number < least:
            found.append(f"launch.slurm.{key}={number} must be at least {least}.")
    gpus = int(asked.get("gpus_per_node") or 0)
    found += _gpu_problems(cfg_launch, gpus)
    if gpus and hardware.torch and not hardware.torch_cuda:
        found.append(
            f"launch.slurm.gpus_per_node={gpus} asks for GPUs that the installed torch {hardware.torch}, a build "
            "without CUDA, cannot use; install another build, or write launch.slurm.gpus_per_node=0."
        )
    for name, value in (asked.get("extra") or {}).items():
        option = str(name).replace("_", "-")
        if option in OWN_OPTIONS:
            found.append(f"launch.slurm.extra.{name}: write {OWN_OPTIONS[option]} instead.")
        elif option in FIXED_OPTIONS or not re.fullmatch(r"[a-z][a-z-]*", option):
            found.append(f"launch.slurm.extra.{name}: the job script sets --{option} itself; leave it out.")
        elif "\n" in str(value):
            found.append(f"launch.slurm.extra.{name} must be one line.")
    if cfg_launch.get("foreground"):
        found.append("launch.foreground=true needs a terminal, and a Slurm job has none; leave one of them out.")
    return found


def _gpu_problems(cfg_launch: Mapping[str, Any], gpus: int) -> list[str]:
    kind, ranks = str(cfg_launch.get("kind", "auto")), cfg_launch.get("num_processes")
    if kind in ("single_gpu", "multi_gpu") and gpus == 0:
        least = 1 if kind == "single_gpu" else 2
        return [f"launch.kind={kind} with no GPU asked of Slurm; write launch.slurm.gpus_per_node={least} or more."]
    if kind == "cpu" and gpus:
        return [
            f"launch.kind=cpu would leave the {gpus} GPUs of launch.slurm.gpus_per_node idle; write "
            "launch.slurm.gpus_per_node=0 or launch.kind=auto."
        ]
    if gpus and isinstance(ranks, int) and 0 < ranks < gpus:
        return [
            f"launch.num_processes={ranks} would leave {gpus - ranks} of {gpus} GPUs on each node idle; write "
            f"launch.slurm.gpus_per_node={ranks}."
        ]
    return []


def job_hardware(cfg_launch: Mapping[str, Any], hardware: Hardware) -> Hardware:
    """The machine on which a run's workers will be: a Slurm job's node as asked for, else this one.

    Args:
        cfg_launch: the `launch` group.
        hardware: this machine (the login node).
    """
    asked = cfg_launch.get("slurm") or {}
    if not asked.get("submit"):
        return hardware
    gpus = int(asked.get("gpus_per_node") or 0)
    name = str(asked.get("gpu_type") or "GPU of the job")
    return dataclasses.replace(
        hardware,
        cores=int(asked.get("cpus_per_task") or hardware.cores),
        memory_bytes=memory_bytes(asked.get("mem") or 0) or hardware.memory_bytes,
        gpus=tuple(Gpu(str(index), "", name, None) for index in range(gpus)),
    )
