"""What suggests: one of Optuna's samplers, made anew for every trial.

A sampler's only memory is the study, and its randomness depends on (seed, trial number) alone, so that a sweep that was
killed and resumed suggests what the undisturbed one does, as long as trials end in the same order (one slot).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grpo_cli.errors import ConfigError
from grpo_cli.sweep.optuna.options import SAMPLER_OPTIONS, check_options, make
from grpo_cli.sweep.optuna.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

TRIALS = 20  # where sweep.n_trials is auto
# NSGA-II's generations; Optuna's 50 would take most sweeps of trainings to their end at random.
POPULATION = 16


@dataclass(frozen=True)
class Sampling:
    """How trials are suggested.

    Attributes:
        name: the `sweep.sampler` key.
        space: the search space.
        seed: the `sweep.seed` key.
        options: the `sweep.sampler_options` key.
        points: with `grid`, all its points.
    """

    name: str
    space: Space
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    points: tuple[Mapping[str, Any], ...] | None = None

    def sampler(self, number: int) -> BaseSampler:
        """The sampler of one trial."""
        from optuna import samplers

        seed = trial_seed(self.seed, number)
        options = dict(self.options)
        if self.points is not None:
            point = dict(self.points[number % len(self.points)])
            return samplers.PartialFixedSampler(point, samplers.RandomSampler(seed=seed))
        if self.name == "tpe":
            # Grouped, parameters that are suggested in some trials only are modelled together too.
            options = {**({"multivariate": True, "group": True} if self.space.conditional else {}), **options}
            return make("sampler", "tpe", samplers.TPESampler, {"seed": seed, **options})
        if self.name == "cmaes":
            options = {"warn_independent_sampling": False, **options}
            return make("sampler", "cmaes", samplers.CmaEsSampler, {"seed": seed, **options})
        if self.name == "nsga2":
            return make(
                "sampler", "nsga2", samplers.NSGAIISampler, {"seed": seed, "population_size": POPULATION, **options}
            )
        return samplers.RandomSampler(seed=seed)


def sampling(settings: Mapping[str, Any], space: Space, objectives: int) -> Sampling:
    """Settle how trials are suggested.

    Args:
        settings: the `sweep` section.
        space: the search space.
        objectives: how many objectives there are.

    Raises:
        ConfigError: the sampler cannot do this space, these objectives or these options.
    """
    name, options = settings["sampler"], settings["sampler_options"]
    check_options("sampler", name, options, SAMPLER_OPTIONS)
    if name == "cmaes" and objectives > 1:
        raise ConfigError("sweep.sampler=cmaes has one objective; with several write sweep.sampler=tpe or nsga2.")
    if name == "cmaes" and all(parameter.choices for parameter in space.parameters):
        raise ConfigError(
            "sweep.sampler=cmaes varies numbers, and the space has choices only; give an interval(…), or write "
            "sweep.sampler=tpe."
        )
    points = tuple(space.grid()) if name == "grid" else None
    found = Sampling(name, space, int(settings["seed"]), options, points)
    found.sampler(0)  # what Optuna refuses, it refuses now
    return found


def total_trials(settings: Mapping[str, Any], points: int | None) -> int:
    """How many trials a sweep has, over all starts.

    Args:
        settings: the `sweep` section.
        points: of the grid, where it is one.

    Raises:
        ConfigError: `n_trials` is neither a number nor auto.
    """
    wanted = settings["n_trials"]
    if wanted == "auto":
        return TRIALS if points is None else points
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise ConfigError(f"sweep.n_trials must be a whole number or auto, not {wanted!r}.")
    return wanted if points is None else min(wanted, points)


def trial_seed(seed: int, number: int) -> int:
    """The seed of one trial's sampler, 32 bits of a hash: trials next to each other share nothing."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big")
