"""Studies without training, for tests: a space from arguments, a synthetic objective, an end at will."""

from collections.abc import Callable
from pathlib import Path

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, write_json
from grpo_cli.runs.result import COMPLETED
from grpo_cli.runs.sweep import Job
from grpo_cli.sweep.optuna.package import hush
from grpo_cli.sweep.optuna.pruners import Pruning
from grpo_cli.sweep.optuna.samplers import sampling, total_trials
from grpo_cli.sweep.optuna.space import read_space
from grpo_cli.sweep.optuna.study import open_study
from grpo_cli.sweep.optuna.trials import OptunaTrials

METRIC = "eval/held_out/accuracy"


def open_trials(
    folder: Path | None,
    *arguments: str,
    written: dict | None = None,
    directions: tuple[str, ...] = ("maximize",),
    pruning: Pruning | None = None,
    **settings: object,
) -> OptunaTrials:
    """The trials of a sweep with these arguments and keys of `sweep`; of one that exists, the rest of them."""
    hush()
    settings = {"sampler": "tpe", "sampler_options": {}, "seed": 0, "n_trials": "auto", **settings}
    space = read_space(written or {}, arguments)
    samples = sampling(settings, space, len(directions))
    total = total_trials(settings, None if samples.points is None else len(samples.points))
    return OptunaTrials(open_study(folder, space, {}, directions), samples, total, pruning, folder)


def values_of(overrides) -> dict[str, str]:
    return dict(override.split("=", 1) for override in overrides)


def run(trials: OptunaTrials, objective: Callable[[dict], object], at_most: int = 10**6) -> list[tuple]:
    """Ask for trials and tell each its objective; gives (number, overrides) of each."""
    done = []
    while len(done) < at_most and (asked := trials.ask()) is not None:
        number, overrides = asked
        done.append((number, tuple(overrides)))
        value = objective(values_of(overrides))
        job = Job(number, list(overrides), COMPLETED)
        if isinstance(value, str):
            job.status = value
        elif isinstance(value, tuple):
            job.objective, job.objectives = value[0], list(value)
        else:
            job.objective = value
        trials.tell(job)
    return done


def evaluated(folder: Path, number: int, *points: tuple[int, float], status: str = "running") -> Job:
    """A job whose run has written these (step, value) evaluations."""
    run_folder = RunFolder(folder / str(number))
    append(run_folder.metrics, *({"kind": "eval", "step": step, METRIC: value} for step, value in points))
    write_json(run_folder.result, {"status": status, "objective": {"name": METRIC, "value": None}})
    return Job(number, [], status, folder=str(run_folder.root))
