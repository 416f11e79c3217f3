"""From `launch.*` and this machine to one command line with its environment.

One process runs the worker module itself (1.5 s sooner); several go through `accelerate launch`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import environ
from pathlib import Path
from typing import Any

from grpo_cli.config.groups.launch import KINDS
from grpo_cli.errors import ConfigError
from grpo_cli.launch.command import worker_command
from grpo_cli.launch.contradictions import sharding_problem
from grpo_cli.launch.engine import choose_engine
from grpo_cli.launch.environment import WORLD_SIZE, worker_environment
from grpo_cli.launch.hardware import Gpu, Hardware, detect, visible
from grpo_cli.launch.nodes import NODE, Nodes, gloo_interface, interface_towards, node_options, settle_nodes
from grpo_cli.launch.own_config import OwnConfig, precision_notes, read_own
from grpo_cli.launch.slurm.request import job_hardware, request_problems

WORKER = ("-m", "grpo_cli.training.worker")


@dataclass(frozen=True)
class LaunchPlan:
    """What will be started, and why it was chosen; `files` are to be written first, by their path in the run folder."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    world_size: int
    kind: str
    why: str
    run_id: str
    threads: int
    gpus: tuple[Gpu, ...] = ()
    foreground: bool = False
    grace_seconds: float = 30.0
    warnings: tuple[str, ...] = ()
    nodes: Nodes | None = None
    files: dict[str, str] = field(default_factory=dict, repr=False)


def plan_launch(
    cfg_launch: Mapping[str, Any],
    training: Mapping[str, Any],
    run_folder: Path,
    *,
    worker: Sequence[str] = WORKER,
    hardware: Hardware | None = None,
    base_env: Mapping[str, str] | None = None,
) -> LaunchPlan:
    """Decide how the workers of one run are started.

    Args:
        cfg_launch: the `launch` group (see `LaunchConfig`).
        training: the `training` group; only `use_cpu` is looked at, and the precision under `accelerate_config`.
        run_folder: the run's folder, the worker's one argument.
        worker: what follows `python`: `-m module` or a script's path.
        hardware: the machine; looked up when not given.
        base_env: environment to start from; this process's own by default.

    Returns:
        Command, environment, world size, and a sentence on why.

    Raises:
        ConfigError: the request cannot be met on this machine; the message says what to ask for instead.
    """
    env = dict(environ if base_env is None else base_env)
    extra = {str(k): str(v) for k, v in (cfg_launch.get("env") or {}).items() if v is not None}
    hardware = hardware or detect({**env, **extra})
    foreground = bool(cfg_launch.get("foreground", False))
    if (cfg_launch.get("slurm") or {}).get("submit"):
        if problems := request_problems(cfg_launch, hardware):
            raise ConfigError(*problems)
        hardware = job_hardware(cfg_launch, hardware)

    own = read_own(cfg_launch)
    asked = str(cfg_launch.get("kind", "auto"))
    wanted = _count(cfg_launch, "num_processes")
    if own is not None:
        asked, wanted = _asked_by(own, asked), own.num_processes
        if own.gpu_ids is not None:
            hardware = replace(hardware, gpus=visible(hardware.gpus, own.gpu_ids))
    sharded = own is not None or str(cfg_launch.get("sharding") or "none") != "none"
    name = f"launch.kind={asked}" if sharded else f"launch={asked}"  # as the user may have written it
    kind, why = _choose_kind(asked, name, wanted, foreground, training, hardware)
    if kind == "cpu" and asked == "auto" and (cfg_launch.get("slurm") or {}).get("submit"):
        why = "no GPU is asked of Slurm (launch.slurm.gpus_per_node=0)"  # what this machine shows does not count
    processes = _choose_processes(kind, wanted, hardware)
    nodes = settle_nodes(cfg_launch, {**env, **extra})
    world_size = processes * (nodes.count if nodes else 1)
    if problem := sharding_problem(cfg_launch, kind, world_size):
        raise ConfigError(problem)
    if foreground and nodes:
        raise ConfigError("launch.foreground=true runs one process in this terminal; drop it, or write launch=cpu.")
    if foreground and processes > 1:
        raise ConfigError(
            f"launch.foreground=true runs one process in this terminal and {processes} were asked for; "
            f"add launch.num_processes=1{' launch=single_gpu' if kind == 'multi_gpu' else ''}."
        )
    engine = choose_engine(cfg_launch, world_size, run_folder, own)
    options = engine.options
    if foreground and options is not None:
        raise ConfigError("launch.foreground=true runs the worker itself, not accelerate; write launch.sharding=none.")

    warnings = precision_notes(own, training) if own is not None else []
    if kind == "cpu" and processes > hardware.cores:
        warnings.append(
            f"launch.num_processes={processes} on {_plural(hardware.cores, 'usable CPU core')}: "
            "the processes will wait for each other; expect it to be slower than fewer."
        )
    gpus = hardware.usable_gpus[:processes] if kind != "cpu" else ()
    threads = _count(cfg_launch, "threads")
    run_id = uuid.uuid4().hex
    worker_env = worker_environment(
        env,
        extra,
        kind=kind,
        world_size=processes,
        gpus=gpus,
        run_id=run_id,
        threads=threads,
        cores=hardware.cores,
        deepspeed="use_deepspeed" in (options or {}),
    )
    if nodes and options:
        options = options | node_options(nodes)
        worker_env |= {WORLD_SIZE: str(world_size), NODE: str(nodes.rank)}
        why = f"{why}; node {nodes.rank} of {nodes.count}"
        worker_env |= gloo_interface(interface_towards(nodes.address, nodes.port), {**env, **extra})
    return LaunchPlan(
        argv=worker_command(options, worker, run_folder),
        env=worker_env,
        world_size=world_size,
        kind=kind,
        why=why,
        run_id=run_id,
        threads=int(worker_env["OMP_NUM_THREADS"]) if worker_env["OMP_NUM_THREADS"].isdigit() else 0,
        gpus=gpus,
        foreground=foreground,
        grace_seconds=float(cfg_launch.get("grace_seconds", 30.0)),
        warnings=tuple(warnings),
        nodes=nodes,
        files=engine.files,
    )


def _asked_by(own: OwnConfig, asked: str) -> str:
    """The kind of hardware a user's own accelerate file means; `launch.kind` goes first where it says one."""
    if asked != "auto":
        return asked
    if own.on_cpu:
        return "cpu"
    return "multi_gpu" if own.num_processes > 1 else "auto"


def _choose_kind(
    asked: str, name: str, wanted: int | None, foreground: bool, training: Mapping[str, Any], hardware: Hardware
) -> tuple[str, str]:
    if asked not in KINDS:
        raise ConfigError(f"launch.kind={asked} is not known; write one of {', '.join(KINDS)}.")
    on_cpu = training.get("use_cpu") is True
    gpus, none = len(hardware.usable_gpus), _no_gpu(hardware)
    if asked == "auto":
        if on_cpu:
            return "cpu", "training.use_cpu=true"
        if gpus == 0:
            return "cpu", none
        if gpus == 1 or wanted == 1 or foreground:
            reason = "" if gpus == 1 else ", one asked for"
            return "single_gpu", f"{_plural(gpus, 'GPU')} ({hardware.usable_gpus[0].name}){reason}"
        return "multi_gpu", f"{gpus} GPUs ({hardware.usable_gpus[0].name})"
    if asked == "cpu":
        return asked, "asked for"
    if on_cpu:
        raise ConfigError(f"launch={asked} contradicts training.use_cpu=true; write launch=cpu, or drop use_cpu.")
    if gpus == 0:
        raise ConfigError(f"{name} needs a GPU and {none}; write launch=cpu or launch=auto.")
    if asked == "multi_gpu" and gpus == 1:
        raise ConfigError(
            f"{name} needs two GPUs or more and this machine shows one "
            f"({hardware.usable_gpus[0].name}); write launch=single_gpu, or check CUDA_VISIBLE_DEVICES."
        )
    return asked, "asked for"


def _choose_processes(kind: str, wanted: int | None, hardware: Hardware) -> int:
    gpus = len(hardware.usable_gpus)
    if kind == "cpu":
        return wanted or 1
    if kind == "single_gpu":
        if wanted not in (None, 1):
            more = "launch=multi_gpu" if gpus > 1 else "launch.num_processes=1 (one GPU is visible)"
            raise ConfigError(f"launch=single_gpu runs one process, not launch.num_processes={wanted}; write {more}.")
        return 1
    if wanted == 1:
        raise ConfigError("launch=multi_gpu with launch.num_processes=1 is one process; write launch=single_gpu.")
    if wanted and wanted > gpus:
        raise ConfigError(
            f"launch.num_processes={wanted} and only {gpus} GPUs are visible, one process each; "
            f"write launch.num_processes={gpus} or less."
        )
    return wanted or gpus


def _count(cfg_launch: Mapping[str, Any], key: str) -> int | None:
    """A positive whole number, or None for auto."""
    value = cfg_launch.get(key, "auto")
    if value in (None, "auto"):
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise ConfigError(f"launch.{key}={value} must be a whole number of 1 or more, or auto.")
    return number


def _no_gpu(hardware: Hardware) -> str:
    if hardware.gpus:
        return (
            f"{_plural(len(hardware.gpus), 'GPU')} ({hardware.gpus[0].name}) cannot be used: "
            f"the installed torch {hardware.torch or '(none)'} is a build without CUDA"
        )
    return "no NVIDIA GPU is visible"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
