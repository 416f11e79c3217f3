"""Trials under a launcher of the user's choice (joblib, submitit, basic): some at once, told when all have ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from grpo_cli.errors import ConfigError
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.objectives import objectives_in
from grpo_cli.runs.result import COMPLETED, FAILED, PRUNED, read_result
from grpo_cli.runs.sweep import INVALID, Job, Sweep
from grpo_cli.sweep.elsewhere import collect, notes_of
from grpo_cli.sweep.trials import Trials

Asked = tuple[int, Sequence[str]]


def run_in_batches(launcher: Launcher, trials: Trials, size: int, sweep: Sweep) -> None:
    """Run trials in batches.

    Args:
        launcher: runs the jobs of a batch.
        trials: the sampler.
        size: trials a batch.
        sweep: the record.
    """
    while batch := [asked for _ in range(size) if (asked := trials.ask()) is not None]:
        for part in _consecutive(batch):
            returns = launcher.launch([list(overrides) for _, overrides in part], initial_job_idx=part[0][0])
            collect(sweep)
            stopped = (notes_of(sweep.directory) / "stop").exists()
            for (number, overrides), returned in zip(part, returns, strict=True):
                job = sweep.job(number, list(overrides))
                take(job, returned, sweep.directory / str(number), stopped)
                sweep.judge_by(objectives_in(read_result(RunFolder(sweep.directory / str(number)))))
                trials.tell(job)
            if stopped:  # by a signal, or a failed job under `sweep.fail_fast`
                return
        sweep.save()


def take(job: Job, returned: JobReturn, folder: Path, stopped: bool) -> None:
    """Note how a job ended: as recorded, else by its run folder if this machine sees it, else by what it returned."""
    if stopped or job.status in (COMPLETED, PRUNED, FAILED, INVALID):
        return
    if result := read_result(RunFolder(folder)):
        job.take(result)
        job.folder = str(folder)
        return
    try:
        value = returned.return_value
    except ConfigError as error:
        job.status, job.error = INVALID, str(error)
    except Exception as error:
        job.status, job.error = FAILED, str(error) or type(error).__name__
    else:
        job.objectives = list(value) if isinstance(value, list | tuple) else [value]
        job.status, job.objective = COMPLETED, job.objectives[0]


def _consecutive(batch: Sequence[Asked]) -> Iterator[list[Asked]]:
    """Runs of following numbers: a launcher numbers the jobs it is given from the first one on."""
    part: list[Asked] = []
    for asked in batch:
        if part and asked[0] != part[-1][0] + 1:
            yield part
            part = []
        part.append(asked)
    if part:
        yield part
