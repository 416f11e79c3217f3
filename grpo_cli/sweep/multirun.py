"""What makes a multirun dependable: each job recorded, a failing one does not end the rest, none lost or run twice."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from grpo_cli.config.compose import check_or_discard
from grpo_cli.config.freeze import as_dict
from grpo_cli.display.checking import Checking
from grpo_cli.errors import EXIT_CONFIG, EXIT_FAILED, ConfigError
from grpo_cli.launch.signals import Interrupted
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.lock import FolderInUse, own
from grpo_cli.runs.objectives import objectives_in, objectives_of
from grpo_cli.runs.result import COMPLETED, FAILED, INTERRUPTED, PRUNED, RUNNING, read_json
from grpo_cli.runs.sweep import DRY_RUN, INVALID, NOT_STARTED, SUBMITTED, Sweep, find_unfinished
from grpo_cli.sweep.listed import listed_jobs

if TYPE_CHECKING:
    from grpo_cli.sweep.batch import Batch
    from grpo_cli.sweep.elsewhere import Elsewhere

DONE = {COMPLETED, PRUNED, DRY_RUN, SUBMITTED}
LOCAL_LAUNCHERS = ("SlotsLauncher", "BasicLauncher")

_current: Sweep | None = None
_checked: Batch | None = None  # the jobs whose configurations are being checked before any of them starts
_for_array: dict[str, Any] | None = None  # the configuration of a job that waits for its array to be submitted
_elsewhere: Elsewhere | None = None  # a launcher of the user's choice runs the jobs in processes of its own
_progress = Checking()
_held = contextlib.ExitStack()  # the lock of the sweep's folder, until this process ends


class SweepFailed(BaseException):
    """A job failed under `sweep.fail_fast=true`: not an `Exception`, or Hydra would go on to the next job."""

    exit_code = EXIT_FAILED


class RecordSweep(Callback):
    """Hydra's callback (`hydra.callbacks.sweep`): notes every job of a multirun before the first one starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """List the jobs that the basic sweeper will start; other sweepers' jobs are noted as they come."""
        global _current, _elsewhere
        jobs: list[list[str]] | None = None
        asked = [str(override) for override in OmegaConf.to_container(config.hydra.overrides.task)]  # type: ignore[union-attr]
        if str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
            jobs = listed_or_exit(config, asked)
        # Each node of several starts the same sweep, perhaps in the same folder, and all have to agree on what is run.
        alone = str(OmegaConf.select(config, "launch.nodes.count")) in ("1", "None")
        if alone:
            go_on_with_earlier(config, asked)
        directory = Path(config.hydra.sweep.dir).absolute()
        try:
            if alone:
                _held.enter_context(own(RunFolder(directory)))
        except FolderInUse as error:
            refuse(error)
        _current = Sweep(directory, jobs, asked)
        _current.judge_by(objectives_of(config))
        launcher = str(config.hydra.launcher._target_)
        if not launcher.endswith(LOCAL_LAUNCHERS):
            from grpo_cli.sweep.elsewhere import Elsewhere

            _elsewhere = Elsewhere(_current, launcher, config.display)
            _elsewhere.begin()
        elif config.display != "quiet":
            _progress.begin(len(jobs or []))


def listed_or_exit(config: DictConfig, asked: list[str]) -> list[list[str]] | None:
    """The jobs of the command line; None where Hydra cannot split it either, and will say so itself."""
    try:
        return listed_jobs(config, asked)
    except ConfigError as error:
        refuse(error)
    except HydraException:
        return None


def refuse(error: ConfigError) -> NoReturn:
    """End the command, from inside a callback: an `Exception` there is a mere warning to Hydra."""
    print(f"grpo-train: {error}", file=sys.stderr)
    raise SystemExit(error.exit_code) from None


def go_on_with_earlier(config: DictConfig, asked: list[str]) -> None:
    """Where the same multirun was started before and not finished, take its folder for this one."""
    named = any(override.startswith("hydra.sweep.dir=") for override in config.hydra.overrides.hydra)
    if named or config.resume != "auto" or config.dry_run or config.launch.slurm.submit:
        return
    earlier = find_unfinished(Path(config.hydra.sweep.dir).absolute().parent, asked, wanted_trials(config))
    if earlier is None:
        return
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(earlier)
        quoted = str(earlier).replace("\\", "\\\\").replace("'", "\\'")
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")  # each job is composed from these
    print(f"Going on with the sweep in {earlier} (resume=never starts afresh).", file=sys.stderr)


def wanted_trials(config: DictConfig) -> float | None:
    """How many trials an Optuna sweep is to have, infinitely many where a grid decides; None for other sweeps."""
    if not str(config.hydra.sweeper._target_).endswith("GrpoOptunaSweeper"):
        return None
    from grpo_cli.sweep.optuna.samplers import TRIALS

    if isinstance(config.sweep.n_trials, int):
        return config.sweep.n_trials
    return float("inf") if config.sweep.sampler == "grid" else TRIALS


def current_sweep() -> Sweep | None:
    """The multirun of this process, once it has started."""
    return _current


@contextlib.contextmanager
def checking(batch: Batch) -> Any:
    """While entered, a job that Hydra starts is only checked and noted in the batch."""
    global _checked
    _checked = batch
    try:
        yield
    finally:
        _checked = None
        _progress.end()


def run_in_sweep(cfg: DictConfig, overrides: list[str]) -> float | list[float]:
    """Run one job of a multirun, recording whatever becomes of it.

    Returns:
        The job's objective, a list of them where there are several; NaN where it has none.

    Raises:
        SweepFailed: it failed and `sweep.fail_fast` is set.
        Interrupted: the user stopped it, and with it the sweep.
    """
    from grpo_cli.jobs.job import run_job

    hydra = HydraConfig.get()
    global _current, _for_array
    if _current is None and not str(hydra.launcher._target_).endswith(LOCAL_LAUNCHERS):
        from grpo_cli.sweep.elsewhere import run_elsewhere

        return run_elsewhere(cfg, overrides)
    if _current is None:
        _current = Sweep(Path(hydra.sweep.dir).absolute(), None)
        _current.judge_by(objectives_of(cfg))
    job = _current.job(int(hydra.job.num), overrides)
    folder = Path(hydra.runtime.output_dir).absolute()
    if _checked is not None:
        _progress.at(job.number)
        try:
            _checked.check(cfg, overrides, job, folder)
            if job.status != INVALID:
                _current.judge_by(objectives_of(cfg))
        finally:
            _current.save()
        return float("nan")
    job.folder = str(folder)
    job.status = RUNNING
    _current.save()
    result: dict[str, Any] = {"status": FAILED}
    try:
        check_or_discard(cfg, folder)
        finished = run_job(cfg, overrides)
        result = finished.result if finished else {"status": DRY_RUN}
        if finished:
            job.folder = str(finished.folder.root)  # on nodes other than 0, that of node 0
        if result["status"] == SUBMITTED:
            _for_array = as_dict(cfg)
    except ConfigError as error:
        result = {"status": INVALID, "error": str(error)}
        job.folder = None
    except Interrupted:
        result = read_json(RunFolder(folder).result)
        raise
    finally:
        job.take(result)
        _current.judge_by(objectives_in(result))
        _current.save()
    if job.status not in DONE and cfg.sweep.fail_fast:
        raise SweepFailed()
    return _current.returned(job)


def finish(sweep: Sweep) -> None:
    """After the last job: submit those that go into one Slurm array, and wait for them where that is asked for.

    Raises:
        RunError: Slurm refused the array.
    """
    if _for_array is None:
        return
    from grpo_cli.jobs.slurm import read_back, submit_array, wait_for

    numbers = [job.number for job in sweep.jobs if job.status == SUBMITTED]
    array = submit_array(sweep.directory, numbers, _for_array)
    if _for_array["launch"]["slurm"]["wait"]:
        wait_for(array)
        read_back(sweep)


def end_elsewhere() -> int:
    """Settle what ran in other processes, however the launcher ended.

    Returns:
        130 or 143 where a signal ended it, else 0.
    """
    return _elsewhere.end() if _elsewhere else 0


def sweep_exit_code(sweep: Sweep) -> int:
    """0 when every job completed, was pruned or was left when the budget was spent; 2 when none was valid; else 1."""
    statuses = {job.status for job in sweep.jobs}
    if statuses <= (DONE | {INTERRUPTED, NOT_STARTED} if sweep.ended else DONE):
        return 0
    return EXIT_CONFIG if statuses == {INVALID} else EXIT_FAILED
