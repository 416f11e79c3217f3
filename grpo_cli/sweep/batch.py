"""A batch of a multirun's jobs, before any of them starts: checked, compared with earlier results, packed by memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from grpo_cli.config.compose import check_or_discard
from grpo_cli.config.freeze import as_dict, freeze
from grpo_cli.errors import ConfigError
from grpo_cli.forecast.packing import host_need, pack, too_large
from grpo_cli.jobs.folder import removed_if_unused
from grpo_cli.jobs.prepare import machine_for, prepare
from grpo_cli.launch.hardware import available_memory, detect
from grpo_cli.launch.slots import Slot, fewer_slots, plan_slots
from grpo_cli.rewards.source import run_sources
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic
from grpo_cli.runs.result import COMPLETED, PRUNED, read_result
from grpo_cli.runs.resume import fingerprint
from grpo_cli.runs.sweep import INVALID, NOT_STARTED, Job
from grpo_cli.sweep import multirun
from grpo_cli.sweep.budget import Budget, budget_of
from grpo_cli.sweep.job_process import overrides_of

LaunchOne = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]


@dataclass
class Batch:
    """The jobs that a sweeper asks for at once, while they are checked.

    Attributes:
        slots: where they will run; None: one after another in this process.
        place: where their frozen configurations are written.
        budget: what they may take.
        fail_fast: whether a refused configuration ends the sweep.
        share: the machine's memory that a job may take, where one is thought up after another.
        ready: the numbers of those to run.
        needs: what each of them takes of the machine's memory, as far as there is a forecast.
    """

    slots: list[Slot] | None
    place: Path
    budget: Budget = field(default_factory=Budget)
    fail_fast: bool = False
    share: float | None = None
    ready: list[int] = field(default_factory=list)
    needs: dict[int, float] = field(default_factory=dict)

    def check(self, cfg: DictConfig, overrides: list[str], job: Job, folder: Path) -> None:
        """Check one job's configuration; note in its record whether it is refused, ended well before, or to be run.

        Args:
            cfg: its composed configuration.
            overrides: what it differs by.
            job: its record.
            folder: its run folder.

        Raises:
            SweepFailed: it is refused and `sweep.fail_fast` is set.
        """
        run_folder = RunFolder(folder)
        job.status, job.error, job.earlier = NOT_STARTED, None, False
        try:
            check_or_discard(cfg, folder)
            with removed_if_unused(run_folder, Path(cfg.paths.output_dir)):
                hardware = machine_for(cfg)
                situation = prepare(cfg, self.slots[0].hardware(hardware) if self.slots else hardware)
                need = host_need(situation)
                if need and self.share and need > self.share:
                    raise ConfigError(too_large(need, self.share, len(self.slots or ())))
                config = as_dict(cfg)
                identity = fingerprint(config, run_sources(config))
        except ConfigError as error:
            job.status, job.error = INVALID, str(error)
            if self.fail_fast:
                raise multirun.SweepFailed() from None
            return
        result = read_result(run_folder)
        # Of several nodes each would have to skip the same jobs, and only node 0 has their folders.
        again = cfg.resume == "never" or cfg.dry_run or cfg.launch.slurm.submit or cfg.launch.nodes.count > 1
        done = result.get("status") in (COMPLETED, PRUNED)
        if not again and done and result.get("config_fingerprint") == identity:
            job.take(result)
            job.folder, job.earlier = str(folder), True
            return
        self.ready.append(job.number)
        if need is not None:
            self.needs[job.number] = need
        if self.slots:
            job.folder = str(folder)
            cfg.display = "quiet"  # the sweep shows all of them in one picture
            write_atomic(self.config_of(job.number), freeze(cfg))
            text = OmegaConf.to_yaml(OmegaConf.create(overrides))
            write_atomic(overrides_of(self.config_of(job.number)), text)

    def config_of(self, number: int) -> Path:
        """Where a job's frozen configuration is written."""
        return self.place / f"{number}.yaml"

    def pack(self, asked: bool) -> None:
        """Use as many slots as the machine's memory carries jobs.

        Args:
            asked: whether `launch.slots` is a number.

        Raises:
            ConfigError: that number does not fit.
        """
        if self.slots is None or len(self.slots) == 1:
            return
        count, said = pack(self.needs, available_memory(), len(self.slots), asked)
        self.slots = fewer_slots(self.slots, count)
        if said:
            print(f"grpo-train: {said}", file=sys.stderr)


def batch_of(config: DictConfig) -> Batch:
    """An empty batch, with the slots that the machine and the configuration of the multirun allow."""
    # These need this process, or its terminal.
    in_process = (
        config.dry_run or config.launch.slurm.submit or config.launch.nodes.count > 1 or config.launch.foreground
    )
    slots = None if in_process else plan_slots(config.launch, config.training, detect())
    if config.launch.nodes.count > 1 and (config.sweep.timeout is not None or config.sweep.gpu_hours is not None):
        raise ConfigError(
            "sweep.timeout and sweep.gpu_hours are kept on one machine, not over several; leave them out."
        )
    budget = budget_of(config.sweep, slots) if slots else Budget()
    return Batch(slots, Path(config.hydra.sweep.dir).absolute() / "jobs", budget, bool(config.sweep.fail_fast))


def check_all(
    batch: Batch, launch_one: LaunchOne, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Compose and check jobs; their records and `batch.ready` say what was found."""
    with multirun.checking(batch):
        returns = list(launch_one(job_overrides, first))
    for returned in returns:
        _ = returned.return_value  # raises what Hydra caught: a full disk, a bug
    return returns
