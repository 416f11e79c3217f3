"""`grpo-train -m sweep=optuna`: the space is read and checked, the study opened, its trials run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.object_type import ObjectType
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grpo_cli.config.compose import discard_empty
from grpo_cli.config.validate import find_problems, unresolved
from grpo_cli.errors import ConfigError
from grpo_cli.preflight.objective import list_problems
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.objectives import objectives_of
from grpo_cli.runs.sweep import RECORD
from grpo_cli.sweep.multirun import current_sweep
from grpo_cli.sweep.optuna.check import check_space, takes_whole_numbers
from grpo_cli.sweep.optuna.journal import JOURNAL
from grpo_cli.sweep.optuna.package import hush, require
from grpo_cli.sweep.optuna.space import read_space
from grpo_cli.sweep.optuna.study import SPACE, open_study, settings_around

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

SHOWN = 3  # trials of a dry run


def run(config: DictConfig, launcher: Launcher, arguments: Sequence[str], loader: ConfigLoader) -> None:
    """Run the trials of a sweep, or go on with them; one that is refused before its first trial leaves no folder.

    Args:
        config: the configuration of the multirun: that of a job without what is varied.
        launcher: runs the jobs.
        arguments: the overrides of the command line.
        loader: Hydra's.

    Raises:
        ConfigError: the space or the settings are wrong, or not those the sweep was begun with.
    """
    try:
        _run(config, launcher, arguments, loader)
    except ConfigError:
        if (sweep := current_sweep()) is not None and not sweep.jobs:
            discard(sweep.directory, Path(str(config.paths.output_dir)))
        raise


def _run(config: DictConfig, launcher: Launcher, arguments: Sequence[str], loader: ConfigLoader) -> None:
    """Check, open the study, run."""
    around = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain = resolved(around)
    settings = plain["sweep"]
    if wrong := find_problems({"sweep": settings}):
        raise ConfigError(*wrong)
    require(settings["sampler"])
    space = read_space(settings["space"], arguments, takes_whole_numbers, loader)
    check_space(space, plain, lambda group: loader.get_group_options(group, ObjectType.CONFIG))
    directions = directions_of(plain)

    from grpo_cli.sweep.optuna.pruners import pruning
    from grpo_cli.sweep.optuna.samplers import sampling, total_trials
    from grpo_cli.sweep.optuna.trials import OptunaTrials

    streams = hasattr(launcher, "stream")
    prunes = pruning(settings, space, plain, len(directions))
    check_launch(config, prunes is not None and not (streams and not config.launch.foreground), settings["pruner"])
    folder = None if config.dry_run else Path(config.hydra.sweep.dir).absolute()
    hush(folder and folder / "logs" / "optuna.log")
    samples = sampling(settings, space, len(directions))
    points = None if samples.points is None else len(samples.points)
    total = total_trials(settings, points)
    raw = OmegaConf.to_container(around, resolve=False)
    assert isinstance(raw, dict)
    study = open_study(folder, space, settings_around({str(key): value for key, value in raw.items()}), directions)
    trials = OptunaTrials(study, samples, total, prunes, folder)
    if folder is None:
        show(trials, launcher, total)
        return
    sweep = current_sweep()
    assert sweep is not None
    sweep.trials, sweep.points = total, points
    sweep.save()
    OmegaConf.save(config, folder / "multirun.yaml")
    try:
        if streams:
            cast(Any, launcher).stream(trials)
        else:
            from grpo_cli.sweep.optuna.batches import run_in_batches

            run_in_batches(launcher, trials, int(settings["batch"]), sweep)
    finally:
        sweep.save()  # with what was found only when a trial was told


def resolved(config: DictConfig) -> dict[str, Any]:
    """The configuration around the space, as plain containers.

    Raises:
        ConfigError: it refers to something that does not exist.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(unresolved(error)) from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def directions_of(config: Mapping[str, Any]) -> list[str]:
    """ "maximize" or "minimize" for each objective.

    Raises:
        ConfigError: there are not as many of one as of the other.
    """
    if problems := list_problems(config):
        raise ConfigError(*(problem.sentence for problem in problems))
    return [objective.direction for objective in objectives_of(config)]


def check_launch(config: DictConfig, prunes_elsewhere: bool, pruner: str) -> None:
    """Refuse a way to run jobs from which a sampler would learn nothing.

    Raises:
        ConfigError: several nodes, Slurm jobs nobody waits for, or pruning under a launcher that cannot end a job.
    """
    if config.launch.nodes.count > 1:
        raise ConfigError(
            "sweep=optuna runs on one machine: each node of launch.nodes would think up trials of its own; write "
            "hydra/launcher=submitit_slurm to run its trials on several."
        )
    if config.launch.slurm.submit:
        raise ConfigError(
            "sweep=optuna goes by the results of its trials, and launch=slurm only submits them; start the sweep "
            "inside a Slurm job, or write hydra/launcher=submitit_slurm."
        )
    if prunes_elsewhere:
        raise ConfigError(
            f"sweep.pruner={pruner} needs hydra/launcher=slots without launch.foreground, which can end a job that "
            "runs; leave the other launcher out, or write sweep.pruner=none."
        )


def discard(folder: Path, top: Path) -> None:
    """Remove the folder of a sweep that was refused before its first trial."""
    run_folder = RunFolder(folder)
    for file in (folder / RECORD, run_folder.lock, folder / "multirun.yaml", folder / SPACE, folder / JOURNAL):
        file.unlink(missing_ok=True)
    discard_empty(run_folder.logs, top)


def show(trials: Any, launcher: Launcher, total: int) -> None:
    """A dry run: the commands of the first trials; nothing of the study is kept."""
    asked = [found for _ in range(min(SHOWN, total)) if (found := trials.ask()) is not None]
    launcher.launch([overrides for _, overrides in asked], initial_job_idx=0)
    print(f"The first {len(asked)} of {total} trials of the search space; nothing was started.")
