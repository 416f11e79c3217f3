"""What Hydra's launcher does for `grpo-train -m`: a sweeper's jobs checked, then run on the slots of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grpo_cli.config.freeze import as_dict
from grpo_cli.errors import ConfigError
from grpo_cli.forecast.packing import host_need
from grpo_cli.jobs.folder import readable_write_errors
from grpo_cli.jobs.prepare import machine_for
from grpo_cli.launch.hardware import available_memory
from grpo_cli.preflight.situation import situation_of
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import INTERRUPTED, RUNNING
from grpo_cli.runs.sweep import INVALID, Job, Sweep
from grpo_cli.sweep import multirun
from grpo_cli.sweep.batch import Batch, LaunchOne, batch_of, check_all
from grpo_cli.sweep.source import JobList, Sampled, Source
from grpo_cli.sweep.starter import JobStarter, job_environment, template_environment
from grpo_cli.sweep.trials import Trials


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
