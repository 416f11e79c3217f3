"""`launch=slurm`: from a checked configuration to a submitted job, and, with wait=true, to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from grpo_cli.config.freeze import as_dict, freeze
from grpo_cli.display import make_display
from grpo_cli.errors import EXIT_DONE, EXIT_FAILED
from grpo_cli.jobs.execute import header_of
from grpo_cli.jobs.folder import choose_run
from grpo_cli.jobs.job import Finished
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.slurm import client
from grpo_cli.launch.slurm.files import SlurmFiles
from grpo_cli.launch.slurm.script import array_numbers, job_script
from grpo_cli.rewards.source import run_sources
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic, write_json
from grpo_cli.runs.objectives import objectives_in
from grpo_cli.runs.result import now, read_json
from grpo_cli.runs.resume import fingerprint
from grpo_cli.runs.sweep import Sweep

SUBMITTED = "submitted"
ASK_SECONDS = (1.0, 10.0)  # squeue at first every second, in the end every ten: it costs the controller
TICK_SECONDS = 0.1


def submit_run(
    cfg: DictConfig, overrides: list[str], new: RunFolder, alone: bool, hardware: Hardware
) -> Finished | None:
    """Submit one run, or note one of a sweep for the array.

    Args:
        cfg: the configuration, settled by `prepare`.
        overrides: what the command line gave.
        new: the folder of a new run.
        alone: whether an earlier run in another folder may be gone on with.
        hardware: this machine.

    Returns:
        What is known of the run: that it was submitted, or, after waiting, its result; None for a dry run.
    """
    config = as_dict(cfg)
    plan = plan_launch(config["launch"], config["training"], new.root, hardware=hardware)
    in_array = is_array_job()
    if config["dry_run"]:
        print(f"# {plan.kind}, {plan.world_size} process{'es' * (plan.world_size > 1)}: {plan.why}")
        print(script_of(config, new.root), end="")
        return None
    identity = fingerprint(as_dict(for_job(cfg)), run_sources(config))
    resumption = choose_run(config, identity, new, alone)
    folder = resumption.folder if resumption else new
    files = SlurmFiles(folder.root)
    write_atomic(files.config, freeze(for_job(cfg)))
    write_atomic(files.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    result: dict[str, Any] = {"status": SUBMITTED, "exit_code": EXIT_DONE}
    if in_array:
        return Finished(folder, result)
    write_atomic(files.script, script_of(config, folder.root))
    job = submit_script(files)
    tell(f"Submitted job {job}: {plan.world_size} process{'es' * (plan.world_size > 1)}, run folder {folder.root}")
    # A sweeper that thinks up each job out of the results of those before has to wait for them.
    if not config["launch"]["slurm"]["wait"] and HydraConfig.get().mode == RunMode.RUN:
        tell(f"Log: {files.log(job)}   State: squeue -j {job}   Cancel: scancel {job}")
        return Finished(folder, result)
    return Finished(folder, follow(job, folder, config))


def for_job(cfg: DictConfig) -> DictConfig:
    """The configuration as the job runs it: on as many nodes as asked for, submitting nothing itself."""
    own = cfg.copy()
    if cfg.launch.slurm.nodes > 1:
        own.launch.nodes.count = cfg.launch.slurm.nodes
    own.launch.slurm.submit = False
    return own


def script_of(config: dict[str, Any], place: Path, array: str | None = None) -> str:
    """The job script of a configuration."""
    return job_script(config["launch"], config["name"], place, array=array, working_directory=Path.cwd())


def is_array_job() -> bool:
    """Whether this run is one of a sweep whose jobs are all known beforehand, and so go into one array."""
    hydra = HydraConfig.get()
    return hydra.mode == RunMode.MULTIRUN and str(hydra.sweeper._target_).endswith("BasicSweeper")


def submit_script(files: SlurmFiles) -> str:
    """Submit a script that has been written; returns the job's number."""
    job = client.submit(files.script)
    write_json(files.job, {"job": job, "submitted": now()})
    return job


def follow(job: str, folder: RunFolder, config: dict[str, Any]) -> dict[str, Any]:
    """Show a submitted run until its job has ended.

    Returns:
        The run's result; of a job that ended before there was a run, what Slurm says of it.
    """
    with make_display(config["display"], folder, header_of(config, folder)) as display:
        wait_for(job, display.tick)
        result = read_json(folder.result)
        if not result:
            code = client.exit_code(job)
            result = {
                "status": "failed",
                "exit_code": code or EXIT_FAILED,
                "error": f"Job {job} ended with exit code {code} before its run began.\n"
                f"The whole log: {SlurmFiles(folder.root).log(job)}",
            }
        display.finish(result)
    return result


def wait_for(job: str, on_tick: Callable[[], None] = lambda: None) -> None:
    """Wait until a job, or all jobs of an array, have ended; Ctrl-C leaves them running."""
    pause, longest = ASK_SECONDS
    try:
        while client.running(job):
            until = time.monotonic() + pause
            while time.monotonic() < until:
                on_tick()
                time.sleep(TICK_SECONDS)
            pause = min(pause * 1.3, longest)
    except KeyboardInterrupt:
        tell(f"Job {job} goes on without this terminal; scancel {job} ends it.")
        raise


def submit_array(directory: Path, numbers: list[int], config: dict[str, Any]) -> str:
    """Submit a sweep's jobs as one array.

    Args:
        directory: the sweep's folder.
        numbers: the jobs that can run.
        config: the configuration of one of them; `launch` is the same for all.

    Returns:
        The array's number.
    """
    files = SlurmFiles(directory)
    array = array_numbers(numbers, config["launch"]["slurm"]["array_parallelism"])
    write_atomic(files.script, script_of(config, directory, array))
    job = submit_script(files)
    tell(f"Submitted job array {job} with {len(numbers)} jobs ({array}), sweep folder {directory}")
    tell(f"Logs: {files.log(f'{job}_<number>')}   State: squeue -j {job}   Cancel: scancel {job}")
    return job


def read_back(sweep: Sweep) -> None:
    """Note in a sweep's record how its submitted jobs ended."""
    for job in sweep.jobs:
        if job.status == SUBMITTED and job.folder:
            result = read_json(RunFolder(Path(job.folder)).result)
            job.take(result)
            sweep.judge_by(objectives_in(result))
            if not result:
                job.error = f"it did not begin; see {sweep.directory / 'slurm'}"
    sweep.save()


def tell(text: str) -> None:
    """One line for the user."""
    print(f"grpo-train: {text}", file=sys.stderr, flush=True)
