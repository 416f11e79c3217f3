"""A job of a sweep as `conf/experiment/<name>.yaml`: what its overrides change, and nothing else.

An experiment says most of what a command line can: keys, choices of groups (`- override /algorithm: dapo`), groups that
are added (`- /reward@reward.math2: math`). What it cannot say is told apart and refused. The seed is left out, and so
are the keys that say how a run is started and watched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo_cli.config import places
from grpo_cli.errors import ConfigError
from grpo_cli.report.formats import show
from grpo_cli.report.settings import MISSING, trl_default
from grpo_cli.report.sweep.groups import own_overrides
from grpo_cli.report.sweep.read import SweepRun, Trial
from grpo_cli.report.sweep.standings import Standings, group_interval, kind_of, title_of
from grpo_cli.runs.jsonl import write_atomic

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
DELETED = "which an experiment cannot take away; start it as a command line: grpo-train {}"


@dataclass
class Parts:
    """What goes into the file: the entries of its defaults list, and its keys."""

    defaults: list[Any] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)

    def set(self, key: str, value: Any) -> None:
        """Put a value at a dotted key."""
        *path, last = key.split(".")
        place = self.keys
        for part in path:
            below = place.get(part)
            if not isinstance(below, dict):
                below = place[part] = {}
            place = below
        if isinstance(value, dict) and isinstance(place.get(last), dict):
            place[last].update(value)
        else:
            place[last] = value


def write_experiment(
    board: Standings, name: str, job: int | None = None, force: bool = False, directory: Path | None = None
) -> tuple[Path, list[str]]:
    """Write a job's settings as an experiment.

    Args:
        board: the sweep's leaderboard.
        name: the experiment's name.
        job: whose settings; None for the setting of the best mean.
        force: replace a file of that name.
        directory: where `conf/` is; the working directory by default.

    Returns:
        The file, and in which settings a run of it would differ from the job (none, but for what changed since).

    Raises:
        ConfigError: the name will not do or is taken, there is no such job, or its overrides cannot be said.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"--experiment={name} is no name; use letters, digits, hyphens and underscores")
    trial = _chosen(board, job)
    path = (directory or Path.cwd()) / "conf" / "experiment" / f"{name}.yaml"
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; write another name, or --force to replace it")
    shipped = places.conf_dir() / "experiment" / f"{name}.yaml"
    if shipped.exists() and shipped.resolve() != path.resolve():
        raise ConfigError(f"experiment={name} comes with grpo-train and would be taken instead; write another name")
    text = experiment_text(board, trial, name)
    write_atomic(path, text)
    return path, differences(trial, name)


def experiment_text(board: Standings, trial: Trial, name: str) -> str:
    """The experiment's file as text."""
    from omegaconf import OmegaConf

    parts = parts_of(trial)
    lines = ["# @package _global_", *(f"# {line}" for line in _told(board, trial, name)), ""]
    if parts.defaults:
        lines += [OmegaConf.to_yaml(OmegaConf.create({"defaults": parts.defaults}))]
    if parts.keys:
        lines += [OmegaConf.to_yaml(OmegaConf.create(parts.keys))]
    return "\n".join(lines).rstrip("\n") + "\n"


def parts_of(trial: Trial) -> Parts:
    """Turn a job's overrides into an experiment's parts.

    Raises:
        ConfigError: one of them cannot be said in an experiment, or holds a secret that was not recorded.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = own_overrides(trial.overrides, kept=("name",))
    hidden = [o.partition("=")[0] for o in overrides if "<redacted>" in o]
    if hidden:
        raise ConfigError(f"{hidden[0]} of job {trial.number} is a secret and not recorded; set it in the environment")
    parts, groups = Parts(), set(places.groups())
    for override in OverridesParser.create().parse_overrides(overrides):
        key, package = override.key_or_group, override.package
        if key in groups and (package is not None or not isinstance(override.value(), dict)):
            _choose(parts, override, key, package, trial)
        elif override.is_delete():
            _delete(parts, key, trial)
        else:
            parts.set(key, _value(override))
    taken_in = [e for e in parts.defaults if not _entry(e).startswith("override ")]
    if taken_in:  # below this file's own keys; Hydra wants the overrides last
        rest = [e for e in parts.defaults if e not in taken_in]
        parts.defaults = [*taken_in, "_self_", *rest]
    return parts


def differences(trial: Trial, name: str) -> list[str]:
    """In which settings a run of `experiment=<name>` differs from a job, by composing it here.

    Returns:
        Lines `key: the job's → the experiment's`; one that says so where it cannot be composed.
    """
    from grpo_cli.runs.resume import LAUNCH_NOT_COMPARED
    from grpo_cli.runs.resume import differences as differing

    if not trial.run.config:  # it was never started
        return []
    try:
        composed = compose([f"experiment={name}", *_seeds(trial)])
    except Exception as error:
        return [f"it cannot be composed here: {str(error).splitlines()[0]}"]

    def compared(config: Any) -> dict[str, Any]:
        launch = {k: v for k, v in (config.get("launch") or {}).items() if k not in LAUNCH_NOT_COMPARED}
        aside = ("paths", "name", "objective")  # `auto` is resolved when a run starts
        return {**{k: v for k, v in config.items() if k not in aside}, "launch": launch}

    return differing(compared(trial.run.config), compared(composed))


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of `grpo-train <overrides>` in this directory, as plain containers."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.types import RunMode
    from omegaconf import OmegaConf, flag_override

    from grpo_cli.config.compose import register
    from grpo_cli.config.freeze import freeze

    register()
    loader = ConfigLoaderImpl(config_search_path=create_config_search_path(str(places.conf_dir())))
    cfg = loader.load_configuration("train", list(overrides), RunMode.RUN)
    with flag_override(cfg, ["struct", "readonly"], False):
        cfg.pop("hydra", None)
    plain = OmegaConf.to_container(OmegaConf.create(freeze(cfg)), resolve=False)
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


def _chosen(board: Standings, job: int | None) -> Trial:
    if job is not None:
        trial = board.sweep.trial(job)
        if trial is None:
            last = max((t.number for t in board.sweep.trials), default=0)
            raise ConfigError(f"--job={job}: {board.sweep.folder} has no such job; write a number up to {last}")
        return trial
    best = board.best_trial
    if best is None:
        raise ConfigError(f"No job of {board.sweep.folder} has completed with a value, so none is best; write --job=N")
    return best


def _choose(parts: Parts, override: Override, group: str, package: str | None, trial: Trial) -> None:
    """A choice of a group as an entry of the defaults list."""
    where = f"/{group}" + (f"@{package}" if package else "")
    if override.is_delete():
        parts.defaults.append({f"override {where}": None})
        return
    choice = override.value()
    choice = choice if isinstance(choice, list) or choice is None else str(choice)
    if group in ("experiment", "debug") and choice is not None:
        # As a file and not as a choice: `experiment=<this one>` would choose that one, too.
        parts.defaults.append(f"/{group}/{choice}")
        return
    if override.is_add() or override.is_force_add():
        parts.defaults.append({where: choice})
        return
    parts.defaults.append({f"override {where}": choice})


def _delete(parts: Parts, key: str, trial: Trial) -> None:
    """A key that the command line took away: of a training key, TRL's own default says the same."""
    default = trl_default(key)
    names = trial.run.config.get("reward")
    if default is not MISSING:
        parts.set(key, default)
    elif key.startswith("reward.") and key.count(".") == 1 and isinstance(names, dict):
        entries = [e for e in parts.defaults if _entry(e) != "override /reward"]
        parts.defaults = [*entries, {"override /reward": [str(n) for n in names]}]
    else:
        raise ConfigError(
            f"Job {trial.number} takes {key} away (~{key}), {DELETED.format(' '.join(own_overrides(trial.overrides)))}"
        )


def _entry(entry: dict[str, Any] | str) -> str:
    """What an entry of a defaults list is about."""
    return entry if isinstance(entry, str) else next(iter(entry))


def _value(override: Override) -> Any:
    """A value as YAML holds it."""
    return _plain(override.value())


def _plain(value: Any) -> Any:
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {str(_plain(k)): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _seeds(trial: Trial) -> list[str]:
    """The job's seeds, so that the comparison is of everything else."""
    from grpo_cli.report.sweep.groups import SEEDS, key_of

    return [o for o in trial.overrides if key_of(o) in SEEDS]


def _told(board: Standings, trial: Trial, name: str) -> list[str]:
    """Where the experiment comes from, and what it reached."""
    sweep: SweepRun = board.sweep
    group = next(g for g in board.groups if trial in g.trials)
    objective = sweep.objectives[0]
    lines = [f"{group.name}: job {trial.number} of the sweep in {sweep.folder.resolve()}."]
    if group.mean is not None:
        seeds = len(group.values)
        value = f"{title_of(objective)} {show(group.mean, kind_of(objective))}"
        interval = group_interval(group, objective)
        ends = "" if interval is None else f" ({' to '.join(show(v, kind_of(objective)) for v in interval[:2])}, 95 %)"
        lines.append(f"It reached {value}{ends}, the mean of {seeds} seed{'s' * (seeds > 1)}.")
    lines.append(f"grpo-train experiment={name} trains with these settings; the seed is the command line's.")
    return ["".join(c if c.isprintable() else " " for c in line.replace("\u202f", " ")) for line in lines]
