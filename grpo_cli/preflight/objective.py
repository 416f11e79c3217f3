"""The metrics a run is judged by, and the names of all it will measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from grpo_cli.config.suggest import did_you_mean, nearest, or_list
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.metrics import is_metric, metric_names
from grpo_cli.runs.objectives import MAXIMIZE, Objective, as_list, pair

# Before the name of a training metric where evaluations are compared by it.
TRAIN_PREFIX = "train/"
TRAIN_METRICS = (
    "reward", "reward_std", "frac_reward_zero_std", "loss", "kl", "entropy", "completions/clipped_ratio",
    "clip_ratio/low_mean", "clip_ratio/low_min", "clip_ratio/high_mean", "clip_ratio/high_max",
    "clip_ratio/region_mean", "grad_norm", "learning_rate", "num_tokens", "step_time", "epoch",
)  # fmt: skip


def settle_objectives(config: Mapping[str, Any]) -> list[Objective]:
    """The metrics a run is judged by, each with its direction.

    Args:
        config: the configuration as plain containers.

    Returns:
        One objective, or several in the order they were named in.

    Raises:
        ConfigError: every metric that this run will not have, one that is named twice, another number of directions.
    """
    problems: list[str] = []
    names: list[str] = []
    for name in as_list(config["objective"]):
        try:
            names.append(settle_metric(config, name))
        except ConfigError as error:
            problems += error.problems
    problems += [problem.sentence for problem in list_problems(config)]
    if problems:
        raise ConfigError(*problems)
    return pair(names, as_list(config["direction"]))


def settle_metric(config: Mapping[str, Any], objective: str) -> str:
    """One objective by its full name: `auto` is held-out accuracy where a reward measures it, else held-out reward.

    Raises:
        ConfigError: a metric that this run will not have.
    """
    names = metric_names(config)
    if objective == "auto":
        return names[0] if names else "reward"
    if is_metric(config, objective):
        return objective
    known = [*names, *train_metrics(config["reward"])]
    # A reward may log metrics of its own, so a name like none of these passes.
    if objective.startswith("eval/") or (objective not in known and nearest(objective, known, cutoff=0.75)):
        raise ConfigError(
            f"objective: this run will not measure {objective}{_hint('objective', objective, config, known)}"
        )
    return objective


class ListProblem(NamedTuple):
    """What is wrong with a list of objectives.

    Attributes:
        key: `objective` or `direction`.
        sentence: what is wrong, and what to write.
        instead: the override to write.
    """

    key: str
    sentence: str
    instead: str


def list_problems(config: Mapping[str, Any]) -> list[ListProblem]:
    """What is wrong with `objective` and `direction` as lists: none, one twice, not as many of one as of the other."""
    auto = next(iter(metric_names(config)), "reward")
    names = [auto if name == "auto" else name for name in as_list(config["objective"])]
    once = list(dict.fromkeys(names))
    if not names:
        return [ListProblem("objective", "objective=[] names no metric; write objective=auto.", "objective=auto")]
    if len(once) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        instead = f"objective={_written(once)}"
        return [ListProblem("objective", f"objective names {twice} twice; write '{instead}'.", instead)]
    directions = as_list(config["direction"])
    if len(directions) in (1, len(names)):
        return []
    wanted = [*directions, *[MAXIMIZE] * len(names)][: len(names)]
    instead = f"direction={_written(wanted)}"
    count = "one objective" if len(names) == 1 else f"{len(names)} objectives"
    write = f"write {instead}" if len(names) == 1 else f"write '{instead}', or one word for all"
    sentence = f"direction has {len(directions)} entries for {count} ({', '.join(names)}); {write}."
    return [ListProblem("direction", sentence, instead)]


def _written(words: list[str]) -> str:
    """A list as an override holds it; one word as it is."""
    return words[0] if len(words) == 1 else f"[{','.join(words)}]"


def settle_selection(config: Mapping[str, Any], part: str) -> str | None:
    """The metric that early stopping, or the choice of the best model, goes by.

    Args:
        config: the configuration as plain containers.
        part: `early_stopping` or `best`.

    Returns:
        Its full name; None where it is off.

    Raises:
        ConfigError: a metric that this run will not have, or one of training that is not named in full.
    """
    key = f"evaluation.{part}.metric"
    metric = config["evaluation"][part]["metric"]
    if metric is None:
        return None
    names = metric_names(config)
    if metric == "auto" and names:
        return names[0]
    if is_metric(config, metric):
        return metric
    of_training = train_metrics(config["reward"])
    inner = metric.removeprefix(TRAIN_PREFIX)
    if metric.startswith(TRAIN_PREFIX) and (inner in of_training or not nearest(inner, of_training, cutoff=0.75)):
        return metric
    if metric in of_training:
        # What is optimised says little about what was learned: it is taken only where it is surely meant.
        instead = f"{key}={names[0]}" if names else "a data set in evaluation.datasets"
        raise ConfigError(f"{key}={metric} is a metric of training; write {instead}, or {key}={TRAIN_PREFIX}{metric}")
    known = [*names, *(f"{TRAIN_PREFIX}{name}" for name in of_training)]
    raise ConfigError(f"{key}: this run will not measure {metric}{_hint(key, metric, config, known)}")


def _hint(key: str, metric: str, config: Mapping[str, Any], known: list[str]) -> str:
    """What to write in place of a metric that will not be there."""
    names = metric_names(config)
    last = metric.rpartition("/")[2]
    reward = next((name for name in names if name.endswith("/reward")), None)
    if last == "accuracy" and reward and not any(name.endswith("/accuracy") for name in names):
        return f": no reward tells right from wrong; write reward.<name>.correctness=true, or {key}={reward}"
    same = [name for name in names if name.rpartition("/")[2] == last]
    if same and metric not in same:
        return f"; did you mean '{same[0]}'?"
    return did_you_mean(metric, known) or f"; it measures {or_list(names)}"


def train_metrics(rewards: Iterable[str]) -> list[str]:
    """What TRL logs after a step, under its own names."""
    of_rewards = [f"rewards/{name}/{statistic}" for name in rewards for statistic in ("mean", "std")]
    lengths = [
        f"completions/{statistic}_{what}"
        for what in ("length", "terminated_length")
        for statistic in ("mean", "min", "max")
    ]
    return [*TRAIN_METRICS, *of_rewards, *lengths]
