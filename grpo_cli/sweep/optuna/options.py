"""`sweep.sampler_options` and `sweep.pruner_options`: arguments of Optuna's classes, refused where they have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError

# What YAML can hold of their arguments; Optuna deprecated the rest, or it is a function.
SAMPLER_OPTIONS: dict[str, tuple[str, ...]] = {
    "tpe": ("n_startup_trials", "n_ei_candidates", "multivariate", "group", "constant_liar"),
    "cmaes": (
        "n_startup_trials", "popsize", "use_separable_cma", "with_margin", "lr_adapt", "consider_pruned_trials",
    ),
    "random": (),
    "grid": (),
    "nsga2": ("population_size", "mutation_prob", "crossover_prob", "swapping_prob"),
}  # fmt: skip
PRUNER_OPTIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    "median": ("n_startup_trials", "n_warmup_steps", "interval_steps", "n_min_trials"),
    "asha": ("min_resource", "reduction_factor", "min_early_stopping_rate", "bootstrap_count"),
    "hyperband": ("min_resource", "max_resource", "reduction_factor", "bootstrap_count"),
}

Made = TypeVar("Made")


def check_options(part: str, name: str, options: Mapping[str, Any], known: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse an option that a sampler or pruner does not have, or whose value is no number.

    Args:
        part: `sampler` or `pruner`.
        name: which.
        options: as configured.
        known: the options of each.

    Raises:
        ConfigError: for the first such option.
    """
    for key, value in options.items():
        if key not in known[name]:
            hint = meant_or_known(str(key), known[name]) or "; it has none"
            raise ConfigError(f"sweep.{part}_options: {part} {name} has no option {key}{hint}.")
        if value != "auto" and not isinstance(value, bool | int | float):
            raise ConfigError(f"sweep.{part}_options.{key} must be a number, true or false, not {value!r}.")


def make(part: str, name: str, build: Callable[..., Made], options: Mapping[str, Any]) -> Made:
    """Build a sampler or pruner, its own complaint about an option put into a sentence.

    Raises:
        ConfigError: Optuna refuses the options.
    """
    try:
        return build(**options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"sweep.{part}_options: {part} {name} refuses them: {str(error).rstrip('.')}.") from None
