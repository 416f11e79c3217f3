"""Jobs that differ only in their seed are one setting, tried several times.

What a setting is, the frozen configuration decides, and not the override's text: `1e-3` and `0.001` are the same.
Seeds are what only luck depends on: `seed`, `training.seed`, `training.data_seed`. `evaluation.seed` and
`dataset.seed` are settings, since they change which prompts are asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from grpo_cli.report.settings import flat, shown, trl_default
from grpo_cli.report.sweep.read import SweepRun, Trial
from grpo_cli.runs.resume import LAUNCH_NOT_COMPARED, NOT_COMPARED

SEEDS = ("seed", "training.seed", "training.data_seed")
# Where a run lies and how its record is called, not what it computes.
ASIDE = (*SEEDS, *NOT_COMPARED, *(f"launch.{key}" for key in LAUNCH_NOT_COMPARED), "paths", "name", "hydra")
DEFAULT = "default"


@dataclass
class Group:
    """One setting with all jobs that tried it.

    Attributes:
        name: the overrides in which it differs from the other settings.
        overrides: the same, one by one.
        trials: its jobs.
    """

    name: str
    overrides: list[str]
    trials: list[Trial]

    @property
    def counted(self) -> list[Trial]:
        """The jobs that are judged: of several with one seed the last, since they are one draw and not several."""
        return list(self.by_seed().values())

    @property
    def values(self) -> list[float]:
        """The objective of each judged job."""
        return [t.objective for t in self.counted if t.objective is not None]

    @property
    def mean(self) -> float | None:
        """The mean objective; None where no job is judged."""
        return fmean(self.values) if self.values else None

    @property
    def first(self) -> int:
        """Its first job's number."""
        return self.trials[0].number

    def by_seed(self) -> dict[str, Trial]:
        """The judged jobs by their seeds."""
        return {seed_of(t): t for t in self.trials if t.counts}

    def best(self, minimize: bool) -> Trial | None:
        """Its best single job."""
        pick = min if minimize else max
        return pick(self.counted, key=lambda t: t.objective or 0.0) if self.counted else None


def group_trials(sweep: SweepRun) -> list[Group]:
    """Gather a sweep's jobs into settings.

    Args:
        sweep: the sweep.

    Returns:
        Groups in the order of their first jobs.
    """
    gathered: dict[str, list[Trial]] = {}
    for trial in sweep.trials:
        gathered.setdefault(_identity(trial), []).append(trial)
    told = [own_overrides(trials[0].overrides) for trials in gathered.values()]
    common = set.intersection(*map(set, told)) if len(told) > 1 else set()
    groups = []
    names: dict[str, int] = {}
    for trials, overrides in zip(gathered.values(), told, strict=True):
        differing = [o for o in overrides if o not in common]
        name = " ".join(differing) or (DEFAULT if len(gathered) > 1 else "the only setting")
        names[name] = names.get(name, 0) + 1
        # Two settings of one name: their overrides do not tell them apart (a conf file that was edited in between).
        groups.append(Group(name if names[name] == 1 else f"{name} ({names[name]})", differing, trials))
    return groups


def ranked(groups: Iterable[Group], minimize: bool) -> list[Group]:
    """Groups from the best mean on; those without a judged job last, in their order."""
    sign = 1 if minimize else -1
    return sorted(groups, key=lambda g: (g.mean is None, sign * (g.mean or 0.0), g.first))


def own_overrides(overrides: Sequence[str], kept: Sequence[str] = ()) -> list[str]:
    """The overrides that make up a setting: neither seeds nor how the sweep is run and watched.

    Args:
        overrides: a job's.
        kept: keys to leave in all the same.
    """
    return [o for o in overrides if key_of(o) in kept or not _matches(key_of(o), ASIDE)]


def key_of(override: str) -> str:
    """The key of an override without Hydra's `+` and `~`."""
    return override.partition("=")[0].lstrip("+~")


def seed_of(trial: Trial) -> str:
    """All seeds of a job as text; the same text in two settings is what pairs their jobs."""
    config = flat(trial.run.config)
    found = {key: config[key] for key in SEEDS if key in config}
    if not found:
        found = {key_of(o): o.partition("=")[2] for o in trial.overrides if key_of(o) in SEEDS}
    return json.dumps(found, sort_keys=True, default=str)


def short_seed(trial: Trial) -> str:
    """A job's seed as a person calls it."""
    found: Mapping[str, Any] = json.loads(seed_of(trial))
    return shown(found["seed"]) if "seed" in found else ", ".join(map(shown, found.values())) or "–"


def _identity(trial: Trial) -> str:
    """What all jobs of one setting share."""
    config = {k: v for k, v in flat(trial.run.config).items() if not _matches(k, ASIDE) and v != {}}
    if not config:  # refused, not started, or lost: its overrides are all there is
        return json.dumps(sorted(own_overrides(trial.overrides)))
    # A training key written out at TRL's own default is the same setting as one left out.
    config = {k: v for k, v in config.items() if not (k.startswith("training.") and v == trl_default(k))}
    return json.dumps(config, sort_keys=True, default=str)


def _matches(key: str, wanted: Sequence[str]) -> bool:
    return any(key == w or key.startswith(f"{w}.") for w in wanted)
