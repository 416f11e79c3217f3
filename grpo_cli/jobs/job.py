"""From a validated configuration to a finished run: freeze it, launch it, watch it, record what became of it.

This is the story; its parts are in `folder` (which folder the run has), `execute` (the workers' life) and `dry_run`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from grpo_cli.config.freeze import as_dict
from grpo_cli.forecast.shape import shape_of
from grpo_cli.forecast.time import from_earlier
from grpo_cli.jobs.dry_run import show_plan, show_server
from grpo_cli.jobs.execute import end_recorded, execute
from grpo_cli.jobs.folder import claimed, freeze_into, readable_write_errors, removed_if_unused
from grpo_cli.jobs.nodes import begin, meet, run_member
from grpo_cli.jobs.prepare import machine_for, prepare
from grpo_cli.jobs.reproduce import announce, compare_with, recorded_config
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.meeting.member import Member
from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.signals import raising
from grpo_cli.preflight.arithmetic import total_steps
from grpo_cli.preflight.show import duration
from grpo_cli.rewards.source import run_sources
from grpo_cli.rollout.gpus import share_gpus
from grpo_cli.rollout.plan import plan_server
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.provenance import redact, write_provenance
from grpo_cli.runs.result import COMPLETED, start_result
from grpo_cli.runs.resume import fingerprint


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes:
        folder: its folder.
        result: its `result.json`.
    """

    folder: RunFolder
    result: dict[str, Any]


def run_job(cfg: DictConfig, overrides: list[str]) -> Finished | None:
    """Run one job from its composed and validated configuration.

    Args:
        cfg: the configuration.
        overrides: what the command line gave.

    Returns:
        How it ended; None for a dry run.

    Raises:
        ConfigError: something the run needs is missing or does not fit; nothing was started.
        Interrupted: the user stopped it; everything is recorded and no process is left.
    """
    hydra = HydraConfig.get()
    new = RunFolder(Path(hydra.runtime.output_dir).absolute())
    with raising(), readable_write_errors(new), removed_if_unused(new, Path(cfg.paths.output_dir)):
        hardware = machine_for(cfg)
        cfg = recorded_config(cfg) if cfg.reproduce else cfg
        prepare(cfg, hardware)
        # A folder given by hand, or a sweep's, is this run's only place; else any earlier run may be gone on with.
        named = any(o.startswith("hydra.run.dir=") for o in hydra.overrides.hydra) or new.result.exists()
        alone = hydra.mode == RunMode.RUN and not named
        if cfg.launch.slurm.submit:
            from grpo_cli.jobs.slurm import submit_run  # only a submission needs it

            return submit_run(cfg, overrides, new, alone, hardware)
        return start(cfg, overrides, new, alone, hardware)


def start(cfg: DictConfig, overrides: list[str], new: RunFolder, alone: bool, hardware: Hardware) -> Finished | None:
    """Run a prepared configuration on this machine, or this machine's part of it.

    Args:
        cfg: the configuration, settled by `prepare`.
        overrides: what the command line gave.
        new: the folder of a new run.
        alone: whether an earlier run in another folder may be gone on with.
        hardware: this machine.

    Returns:
        How it ended; None for a dry run.
    """
    original = RunFolder(Path(cfg.reproduce)) if cfg.reproduce else None
    config = as_dict(cfg)
    sources = run_sources(config)
    identity = fingerprint(config, sources)
    if config["dry_run"]:
        if server := plan_server(config, hardware):
            show_server(server)
        trainers, _ = share_gpus(config, hardware)
        show_plan(plan_launch(config["launch"], config["training"], new.root, hardware=trainers))
        return None
    with meet(cfg, config, sources, hardware) as peers:
        if isinstance(peers, Member):
            return Finished(*run_member(peers, cfg, config, new, overrides, hardware))
        with claimed(config, identity, new, alone) as (folder, resumption):
            server = plan_server(config, hardware)
            trainers, _ = share_gpus(config, hardware)
            plan = plan_launch(config["launch"], config["training"], folder.root, hardware=trainers)
            shape = shape_of(config, trainers, kind=plan.kind, world_size=plan.world_size, gpus=plan.gpus)
            in_sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
            if config["display"] != "quiet" and not in_sweep:
                tell_time(config, trainers, shape)
            freeze_into(folder, cfg, config, overrides, resumption)
            launch = {"command": list(plan.argv), "kind": plan.kind, "why": plan.why, "world_size": plan.world_size}
            if peers:
                launch["nodes"] = peers.hosts()
            write_provenance(
                folder,
                launch=launch,
                hardware=hardware.as_dict(),
                rollout=server.as_dict() if server else None,
                rewards=sources,
                shape=shape,
            )
            start_result(folder, fingerprint=identity, overrides=[redact(o) for o in overrides])
            before = announce(original, folder) if original else {}
            with end_recorded(folder):
                if peers:
                    plan = begin(peers, plan, folder, config)
                result = execute(plan, folder, config, peers, server)
            if original and result["status"] == COMPLETED:
                result = compare_with(original, folder, before)
            return Finished(folder, result)


def tell_time(config: dict[str, Any], hardware: Hardware, shape: str) -> None:
    """Say on stderr how long this will take, where earlier runs of the same shape tell."""
    steps = config["training"].get("max_steps") or 0
    total = steps if steps > 0 else total_steps(config, hardware)
    found = from_earlier(shape, Path(config["paths"]["output_dir"]), total)
    if found and found.total:
        each = f"{duration(found.step)} a step, {duration(found.low)} to {duration(found.high)}"
        print(f"grpo-train: about {duration(found.total)} in all ({each}), by {found.detail}.", file=sys.stderr)
