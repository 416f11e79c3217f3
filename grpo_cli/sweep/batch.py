"""A batch of a multirun's jobs: all checked before any starts, the finished ones left alone, the rest run on slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from grpo_cli.config.compose import check_or_discard
from grpo_cli.config.freeze import as_dict, freeze
from grpo_cli.errors import ConfigError
from grpo_cli.jobs.folder import removed_if_unused
from grpo_cli.jobs.prepare import machine_for, prepare
from grpo_cli.launch.hardware import detect
from grpo_cli.launch.slots import Slot, plan_slots
from grpo_cli.rewards.source import run_sources
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic
from grpo_cli.runs.result import COMPLETED, read_result
from grpo_cli.runs.resume import fingerprint
from grpo_cli.runs.sweep import INVALID, Job
from grpo_cli.sweep.job_process import overrides_of

LaunchOne = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]


@dataclass
class Batch:
    """The jobs that a sweeper asks for at once, while they are checked.

    Attributes:
        slots: where they will run; None: one after another in this process.
        place: where their frozen configurations are written.
        fail_fast: whether a refused configuration ends the sweep.
        ready: the numbers of those to run.
    """

    slots: list[Slot] | None
    place: Path
    fail_fast: bool = False
    ready: list[int] = field(default_factory=list)

    def check(self, cfg: DictConfig, overrides: list[str], job: Job, folder: Path) -> None:
        """Check one job's configuration; note in its record whether it is refused, completed before, or to be run.

        Args:
            cfg: its composed configuration.
            overrides: what it differs by.
            job: its record.
            folder: its run folder.

        Raises:
            SweepFailed: it is refused and `sweep.fail_fast` is set.
        """
        run_folder = RunFolder(folder)
        try:
            check_or_discard(cfg, folder)
            with removed_if_unused(run_folder, Path(cfg.paths.output_dir)):
                hardware = machine_for(cfg)
                prepare(cfg, self.slots[0].hardware(hardware) if self.slots else hardware)
                config = as_dict(cfg)
                identity = fingerprint(config, run_sources(config))
        except ConfigError as error:
            job.status, job.error = INVALID, str(error)
            if self.fail_fast:
                from grpo_cli.sweep.multirun import SweepFailed

                raise SweepFailed() from None
            return
        result = read_result(run_folder)
        # Of several nodes each would have to skip the same jobs, and only node 0 has their folders.
        again = cfg.resume == "never" or cfg.dry_run or cfg.launch.slurm.submit or cfg.launch.nodes.count > 1
        if not again and result.get("status") == COMPLETED and result.get("config_fingerprint") == identity:
            job.take(result)
            job.folder, job.earlier = str(folder), True
            return
        self.ready.append(job.number)
        if self.slots:
            job.folder = str(folder)
            cfg.display = "quiet"  # the sweep shows all of them in one picture
            write_atomic(self.config_of(job.number), freeze(cfg))
            text = OmegaConf.to_yaml(OmegaConf.create(overrides))
            write_atomic(overrides_of(self.config_of(job.number)), text)

    def config_of(self, number: int) -> Path:
        """Where a job's frozen configuration is written."""
        return self.place / f"{number}.yaml"


def launch(
    config: DictConfig, launch_one: LaunchOne, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Check a batch of jobs, then run those that are to be run.

    Args:
        config: the configuration of the multirun itself.
        launch_one: Hydra's own way to compose jobs and run them in this process, one after another.
        job_overrides: the overrides of each job.
        first: the number of the first.

    Returns:
        One result a job, in order; its value is the job's objective, NaN where it has none.

    Raises:
        ConfigError: the slots asked for do not fit the machine, or jobs are refused and `sweep.invalid=fatal` is set.
    """
    from grpo_cli.sweep import multirun

    in_process = config.dry_run or config.launch.slurm.submit
    slots = None if in_process else plan_slots(config.launch, config.training, detect())
    sweep_folder = Path(config.hydra.sweep.dir).absolute()
    batch = Batch(slots, sweep_folder / "jobs", bool(config.sweep.fail_fast))
    with multirun.checking(batch):
        returns = list(launch_one(job_overrides, first))
    for returned in returns:
        _ = returned.return_value  # raises what Hydra caught: a full disk, a bug
    sweep = multirun.current_sweep()
    assert sweep is not None
    jobs = [sweep.jobs[first + index] for index in range(len(job_overrides))]
    refused = [job for job in jobs if job.status == INVALID]
    if refused and config.sweep.invalid == "fatal":
        numbers = ", ".join(str(job.number) for job in refused)
        raise ConfigError(
            f"sweep.invalid=fatal: the configuration of job{'s' * (len(refused) > 1)} {numbers} of {len(jobs)} is "
            "refused, so none was started; sweep.invalid=skip leaves such jobs out."
        )
    if slots is None:
        for number in batch.ready:
            returns[number - first] = launch_one([job_overrides[number - first]], number)[0]
    elif batch.ready:
        from grpo_cli.sweep.side_by_side import run_side_by_side

        run_side_by_side(sweep, batch, str(config.display))
    for job, returned in zip(jobs, returns, strict=True):
        if slots is not None or job.number not in batch.ready:
            returned.return_value = float("nan") if job.objective is None else float(job.objective)
    return returns
