"""A batch of a multirun's jobs: all checked before any starts, the finished ones left alone, the rest run on slots."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grpo_cli.config.compose import check_or_discard
from grpo_cli.config.freeze import as_dict, freeze
from grpo_cli.errors import ConfigError
from grpo_cli.forecast.packing import host_need, pack, too_large
from grpo_cli.jobs.folder import readable_write_errors, removed_if_unused
from grpo_cli.jobs.prepare import machine_for, prepare
from grpo_cli.launch.hardware import available_memory, detect
from grpo_cli.launch.slots import Slot, fewer_slots, plan_slots
from grpo_cli.preflight.situation import situation_of
from grpo_cli.rewards.source import run_sources
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic
from grpo_cli.runs.result import COMPLETED, INTERRUPTED, PRUNED, RUNNING, read_result
from grpo_cli.runs.resume import fingerprint
from grpo_cli.runs.sweep import INVALID, NOT_STARTED, Job, Sweep
from grpo_cli.sweep import multirun
from grpo_cli.sweep.budget import Budget, budget_of
from grpo_cli.sweep.job_process import overrides_of
from grpo_cli.sweep.source import JobList, Sampled, Source
from grpo_cli.sweep.starter import JobStarter, job_environment, template_environment
from grpo_cli.sweep.trials import Trials

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
                from grpo_cli.sweep.multirun import SweepFailed

                raise SweepFailed() from None
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
        One result a job, in order; its value is the job's objective, a list where there are several, NaN for none.

    Raises:
        ConfigError: the slots asked for do not fit the machine, or jobs are refused and `sweep.invalid=fatal` is set.
    """
    batch = batch_of(config)
    with starter_of(config, batch) as starter:
        return check_and_run(config, batch, launch_one, job_overrides, first, starter)


def check_and_run(
    config: DictConfig,
    batch: Batch,
    launch_one: LaunchOne,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    starter: JobStarter,
) -> list[JobReturn]:
    """The work of `launch`, with something that starts jobs."""
    if config.sweep.space and str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        raise ConfigError("sweep.space is varied by Optuna, which is not chosen; write sweep=optuna.")
    returns = check_all(batch, launch_one, job_overrides, first)
    sweep = current()
    jobs = [sweep.jobs[first + index] for index in range(len(job_overrides))]
    refused = [job for job in jobs if job.status == INVALID]
    if refused and config.sweep.invalid == "fatal":
        numbers = ", ".join(str(job.number) for job in refused)
        raise ConfigError(
            f"sweep.invalid=fatal: the configuration of job{'s' * (len(refused) > 1)} {numbers} of {len(jobs)} is "
            "refused, so none was started; sweep.invalid=skip leaves such jobs out."
        )
    batch.pack(asked=config.launch.slots != "auto")
    if batch.slots is None:
        for number in batch.ready:
            returns[number - first] = launch_one([job_overrides[number - first]], number)[0]
    elif batch.ready:
        run_on_slots(config, batch, JobList([sweep.jobs[number] for number in batch.ready]), starter)
    for job, returned in zip(jobs, returns, strict=True):
        if batch.slots is not None or job.number not in batch.ready:
            returned.return_value = sweep.returned(job)
    return returns


def stream(config: DictConfig, launch_one: LaunchOne, trials: Trials) -> None:
    """Run the jobs that a sampler thinks up, each checked when it is thought up, until there are no more.

    Args:
        config: the configuration of the multirun itself.
        launch_one: Hydra's own way to compose jobs and run them in this process.
        trials: the sampler.

    Raises:
        ConfigError: as `launch`; or there is nothing to be told to the sampler, since Slurm runs the jobs later.
    """
    if config.launch.slurm.submit:
        raise ConfigError(
            "launch=slurm submits jobs and does not wait for them, and a sampler goes by their results; start the "
            "sweep inside a Slurm job, or write hydra/launcher=submitit_slurm."
        )
    batch = batch_of(config)
    sweep = current()
    if batch.slots is not None and len(batch.slots) > 1:
        batch.needs = needs_of(config, len(batch.slots))
        batch.pack(asked=config.launch.slots != "auto")
        batch.share = available_memory() / len(batch.slots) if len(batch.slots) > 1 else None
    if batch.slots is None:
        while (asked := trials.ask()) is not None:
            _ = launch_one([asked[1]], asked[0])[0].return_value
            trials.tell(sweep.jobs[asked[0]])
        return

    def check(number: int, overrides: Sequence[str]) -> Job:
        check_all(batch, launch_one, [overrides], number)
        job = sweep.jobs[number]
        if job.status == INVALID and config.sweep.invalid == "fatal":
            raise ConfigError(f"sweep.invalid=fatal: the configuration of job {number} is refused. {job.error}")
        return job

    with starter_of(config, batch) as starter:
        run_on_slots(config, batch, Sampled(trials, check), starter)


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


def needs_of(config: DictConfig, count: int) -> dict[int, float]:
    """What each of several jobs of the multirun's own configuration takes of the machine's memory.

    A sampler's jobs are not known beforehand; this one, without what it varies, stands for them.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        need = host_need(situation_of(as_dict(own), machine_for(own)))
    except (ConfigError, OmegaConfBaseException):
        return {}  # only the sampler's values make it complete
    return dict.fromkeys(range(count), need) if need else {}


def starter_of(config: DictConfig, batch: Batch) -> JobStarter:
    """What starts the jobs of a batch; where they are to be forked, it makes what they are forked from load now."""
    if batch.slots is None:
        return JobStarter(None)
    base = job_environment(batch.slots[0], os.environ)
    log = batch.place.parent / "logs" / "template.log"
    return JobStarter(template_environment(config.launch, batch.slots, base), log)


def check_all(
    batch: Batch, launch_one: LaunchOne, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Compose and check jobs; their records and `batch.ready` say what was found."""
    with multirun.checking(batch):
        returns = list(launch_one(job_overrides, first))
    for returned in returns:
        _ = returned.return_value  # raises what Hydra caught: a full disk, a bug
    return returns


def run_on_slots(config: DictConfig, batch: Batch, source: Source, starter: JobStarter) -> None:
    """Run checked jobs on the slots of a batch."""
    from grpo_cli.sweep.side_by_side import SideBySide  # rich and psutil: not for a start that only checks

    assert batch.slots is not None
    jobs = SideBySide(current(), source, batch.slots, batch.config_of, batch.budget, batch.fail_fast, starter)
    try:
        with readable_write_errors(RunFolder(batch.place.parent)):
            jobs.run(str(config.display))
    finally:
        for job in current().jobs:
            if job.status == RUNNING:  # what ended the sweep (a full disk) kept its end from being recorded
                job.status = INTERRUPTED


def current() -> Sweep:
    """The record of this process's multirun."""
    sweep = multirun.current_sweep()
    assert sweep is not None
    return sweep
