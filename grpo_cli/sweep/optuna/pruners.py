"""What ends trials early: one of Optuna's pruners, and the metric it goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpo_cli.config.suggest import did_you_mean, or_list
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.metrics import is_metric, metric_names
from grpo_cli.preflight.objective import settle_metric
from grpo_cli.runs.objectives import as_list
from grpo_cli.sweep.optuna.options import PRUNER_OPTIONS, check_options, make
from grpo_cli.sweep.optuna.space import Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

NONE = "none"


@dataclass(frozen=True)
class Pruning:
    """How trials are pruned.

    Attributes:
        name: the `sweep.pruner` key.
        metric: what of the evaluations it goes by.
        options: arguments of Optuna's class.
        last_step: of a whole trial; its evaluation comes too late to save anything; None: not known beforehand.
    """

    name: str
    metric: str
    options: Mapping[str, Any]
    last_step: int | None

    def pruner(self) -> BasePruner:
        """Optuna's pruner."""
        from optuna import pruners

        kinds: dict[str, Callable[..., BasePruner]] = {
            "median": pruners.MedianPruner,
            "asha": pruners.SuccessiveHalvingPruner,
            "hyperband": pruners.HyperbandPruner,
        }
        return make("pruner", self.name, kinds[self.name], self.options)


def pruning(settings: Mapping[str, Any], space: Space, config: Mapping[str, Any], objectives: int) -> Pruning | None:
    """Settle how trials are pruned.

    Args:
        settings: the `sweep` section.
        space: the search space.
        config: the configuration around it, as plain containers.
        objectives: how many objectives there are.

    Returns:
        None where nothing is.

    Raises:
        ConfigError: the pruner would have nothing to go by.
    """
    name = settings["pruner"]
    check_options("pruner", name, settings["pruner_options"], PRUNER_OPTIONS)
    if name == NONE:
        return None
    if objectives > 1:
        raise ConfigError(
            f"sweep.pruner={name} goes by one objective, and there are {objectives}; write sweep.pruner=none."
        )
    varied = {parameter.key for parameter in space.parameters}
    metric = _metric(settings["prune_on"], config, varied)
    every, steps = config["evaluation"]["every"], config["training"].get("max_steps", -1)
    first = None
    if not {"evaluation.every", "training.max_steps", "experiment", "debug"} & varied:
        if not every or (every >= 1 and 0 < steps <= every):
            raise ConfigError(
                f"sweep.pruner={name} goes by evaluations during training, and evaluation.every="
                f"{'null' if every is None else every} makes none; write evaluation.every=10, say, or 0.2 for every "
                "fifth part."
            )
        first = int(every) if every >= 1 else max(1, round(every * steps)) if steps > 0 else None
    last = steps if steps > 0 and "training.max_steps" not in varied else None
    found = Pruning(name, metric, _with_defaults(name, settings["pruner_options"], first, last), last)
    found.pruner()  # what Optuna refuses, it refuses now
    return found


def _with_defaults(name: str, options: Mapping[str, Any], first: int | None, last: int | None) -> dict[str, Any]:
    """Rungs that lie on evaluations; Optuna's own begin at step 1, and double as the steps of a loop would."""
    of_us: dict[str, Any] = {}
    if name in ("asha", "hyperband"):
        of_us["reduction_factor"] = 3
        if first is not None:
            of_us["min_resource"] = first
    if name == "hyperband" and last is not None:
        of_us["max_resource"] = last
    return {**of_us, **options}


def _metric(wanted: str, config: Mapping[str, Any], varied: set[str]) -> str:
    """The metric a pruner goes by."""
    metric = settle_metric(config, as_list(config["objective"])[0]) if wanted == "objective" else wanted
    if is_metric(config, metric):
        return metric
    if wanted == "objective":
        raise ConfigError(
            f"sweep.prune_on: the objective {metric} is not measured by the evaluations during training; name one "
            f"that is: {or_list(metric_names(config))}."
        )
    if varied & {"reward", "dataset", "evaluation", "experiment"}:
        return metric  # a trial may well have it
    names = metric_names(config)
    hint = did_you_mean(metric, names) or f"; they measure {or_list(names)}"
    raise ConfigError(f"sweep.prune_on: the evaluations will not measure {metric}{hint}")
