"""The metrics an evaluation will report, by name, known before the run. Light.

`eval/<data set>/<metric>`, and for each value of a tag column `eval/<data set>/<column>=<value>/<metric>`. Beside a
metric stand its 95 % interval, `<metric>_low` and `<metric>_high`, and the paired difference to the evaluation before
training, `<metric>_gain` with `_gain_low` and `_gain_high`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CORRECT = 1.0
HELD_OUT = "held_out"
INTERVAL = ("_low", "_high")
GAIN = ("_gain", "_gain_low", "_gain_high")


def evaluation_rewards(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rewards that score an evaluation: its own, else the run's correctness rewards, else all of the run's.

    Args:
        config: the configuration as plain containers.

    Returns:
        Reward entries by name.
    """
    own = config["evaluation"].get("reward")
    if own:
        return dict(own)
    rewards = {str(name): dict(entry) for name, entry in config["reward"].items()}
    return {name: entry for name, entry in rewards.items() if entry.get("correctness")} or rewards


def correctness_rewards(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The rewards of which 1.0 means a right answer."""
    return [str(name) for name, entry in entries.items() if entry.get("correctness")]


def chosen_k(settings: Mapping[str, Any]) -> list[int]:
    """The k of pass@k, maj@k and best@k; `auto` is the number of samples where there are several."""
    k, samples = settings.get("k", "auto"), settings.get("samples", 1)
    if k == "auto":
        return [samples] if samples > 1 else []
    return list(dict.fromkeys(k))


def dataset_names(settings: Mapping[str, Any]) -> list[str]:
    """The data sets of an evaluation, the run's own held-out rows first."""
    return [*([HELD_OUT] if settings.get("held_out", True) else []), *map(str, settings.get("datasets") or {})]


def statistics(rewards: Iterable[str], *, accuracy: bool, votes: bool, k: Sequence[int]) -> list[str]:
    """The metrics of one data set, without prefix.

    Args:
        rewards: names of the rewards that score.
        accuracy: whether one of them tells right from wrong.
        votes: whether answers can be read out of completions, for maj@k.
        k: of pass@k, maj@k and best@k.
    """
    right = ["accuracy", *(f"pass@{n}" for n in k), *(f"maj@{n}" for n in k if votes)] if accuracy else []
    return [*right, "reward", *(f"best@{n}" for n in k), *rewards, "completion_length", "truncated"]


def statistics_of(config: Mapping[str, Any]) -> list[str]:
    """The metrics of each data set under this configuration, without prefix."""
    from grpo_cli.evaluation.answers import reads_answers

    entries = evaluation_rewards(config)
    return statistics(
        entries,
        accuracy=bool(correctness_rewards(entries)),
        votes=reads_answers(entries, config["evaluation"].get("answer")),
        k=chosen_k(config["evaluation"]),
    )


def metric_names(config: Mapping[str, Any]) -> list[str]:
    """The metrics this run will report, without intervals and gains.

    Args:
        config: the configuration as plain containers.

    Returns:
        Names, the one that `auto` stands for first; empty where nothing is evaluated.
    """
    found = statistics_of(config)
    return [f"eval/{name}/{metric}" for name in dataset_names(config["evaluation"]) for metric in found]


def is_metric(config: Mapping[str, Any], name: str) -> bool:
    """Whether this run will report a metric of this name: intervals, gains and tag values included."""
    settings = config["evaluation"]
    first, _, rest = name.partition("/")
    dataset, _, rest = rest.partition("/")
    column, equals, _ = rest.rpartition("/")[0].partition("=")
    metric = rest.rpartition("/")[2]
    if first != "eval" or dataset not in dataset_names(settings):
        return False
    if rest != metric and not (equals and column in settings.get("tags", [])):
        return False
    endings = ["", *INTERVAL, *(GAIN if settings.get("baseline", True) else ())]
    return any(metric == f"{known}{ending}" for known in statistics_of(config) for ending in endings)
