"""What makes a multirun dependable: each job recorded, a failing one does not end the rest, none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from grpo_cli.config.compose import check_or_discard
from grpo_cli.config.freeze import as_dict
from grpo_cli.errors import EXIT_CONFIG, EXIT_FAILED, ConfigError
from grpo_cli.launch.signals import Interrupted
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import read_json
from grpo_cli.runs.sweep import Sweep

DRY_RUN = "dry run"
SUBMITTED = "submitted"
DONE = {"completed", DRY_RUN, SUBMITTED}

_current: Sweep | None = None
_for_array: dict[str, Any] | None = None  # the configuration of a job that waits for its array to be submitted


class SweepFailed(BaseException):
    """A job failed under `sweep.fail_fast=true`: not an `Exception`, or Hydra would go on to the next job."""

    exit_code = EXIT_FAILED


class RecordSweep(Callback):
    """Hydra's callback (`hydra.callbacks.sweep`): notes every job of a multirun before the first one starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """List the jobs that the basic sweeper will start; other sweepers' jobs are noted as they come."""
        global _current
        jobs: list[list[str]] = []
        if str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
            parsed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
            batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
            jobs = [list(job) for batch in batches for job in batch]
        _current = Sweep(Path(config.hydra.sweep.dir).absolute(), jobs)


def current_sweep() -> Sweep | None:
    """The multirun of this process, once it has started."""
    return _current


def run_in_sweep(cfg: DictConfig, overrides: list[str]) -> float:
    """Run one job of a multirun, recording whatever becomes of it.

    Returns:
        The job's objective; NaN when it has none.

    Raises:
        SweepFailed: it failed and `sweep.fail_fast` is set.
        Interrupted: the user stopped it, and with it the sweep.
    """
    from grpo_cli.commands._job import run_job

    hydra = HydraConfig.get()
    global _current, _for_array
    _current = _current or Sweep(Path(hydra.sweep.dir).absolute(), [])
    _current.direction = cfg.direction
    job = _current.job(int(hydra.job.num), overrides)
    folder = Path(hydra.runtime.output_dir).absolute()
    job.folder = str(folder)
    job.status = "running"
    _current.save()
    result: dict[str, Any] = {"status": "failed"}
    try:
        check_or_discard(cfg, folder)
        finished = run_job(cfg, overrides)
        result = finished.result if finished else {"status": DRY_RUN}
        if finished:
            job.folder = str(finished.folder.root)  # on nodes other than 0, that of node 0
        if result["status"] == SUBMITTED:
            _for_array = as_dict(cfg)
    except ConfigError as error:
        result = {"status": "invalid", "error": str(error)}
        job.folder = None
    except Interrupted:
        result = read_json(RunFolder(folder).result)
        raise
    finally:
        job.status = result.get("status", "failed")
        objective = result.get("objective") or {}
        _current.objective = objective.get("name") or _current.objective
        job.objective = objective.get("value")
        job.seconds, job.error = result.get("seconds"), result.get("error")
        _current.save()
    if job.status not in DONE and cfg.sweep.fail_fast:
        raise SweepFailed()
    return float("nan") if job.objective is None else float(job.objective)


def finish(sweep: Sweep) -> None:
    """After the last job: submit those that go into one Slurm array, and wait for them where that is asked for.

    Raises:
        RunError: Slurm refused the array.
    """
    if _for_array is None:
        return
    from grpo_cli.commands._slurm import read_back, submit_array, wait_for

    numbers = [job.number for job in sweep.jobs if job.status == SUBMITTED]
    array = submit_array(sweep.directory, numbers, _for_array)
    if _for_array["launch"]["slurm"]["wait"]:
        wait_for(array)
        read_back(sweep)


def sweep_exit_code(sweep: Sweep) -> int:
    """0 when every job completed, 2 when none was valid, else 1."""
    statuses = {job.status for job in sweep.jobs}
    if statuses <= DONE:
        return 0
    return EXIT_CONFIG if statuses == {"invalid"} else EXIT_FAILED
