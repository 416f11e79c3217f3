"""The metric a run is judged by, and the names of all it will measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grpo_cli.config.suggest import did_you_mean, nearest
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.metrics import metric_names

TRAIN_METRICS = (
    "reward", "reward_std", "frac_reward_zero_std", "loss", "kl", "entropy", "completions/clipped_ratio",
    "clip_ratio/low_mean", "clip_ratio/low_min", "clip_ratio/high_mean", "clip_ratio/high_max",
    "clip_ratio/region_mean", "grad_norm", "learning_rate", "num_tokens", "step_time", "epoch",
)  # fmt: skip


def settle_objective(config: Mapping[str, Any]) -> str:
    """The metric a run is judged by: `auto` is held-out accuracy where a reward measures it, else held-out reward.

    Raises:
        ConfigError: a metric that this run will not have.
    """
    correctness = [name for name, entry in config["reward"].items() if entry.get("correctness")]
    names = metric_names(config["reward"], correctness)
    objective = config["objective"]
    if objective == "auto":
        return names[0]
    if objective in names:
        return objective
    known = [*names, *train_metrics(config["reward"])]
    # A reward may log metrics of its own, so a name like none of these passes.
    if objective.startswith("eval/") or (objective not in known and nearest(objective, known, cutoff=0.75)):
        hint = did_you_mean(objective, known) or f"; it measures {', '.join(names)}"
        if objective == "eval/held_out/accuracy":
            hint = (
                ": no reward tells right from wrong; write reward.<name>.correctness=true, "
                "or objective=eval/held_out/reward"
            )
        raise ConfigError(f"objective: this run will not measure {objective}{hint}")
    return objective


def train_metrics(rewards: Iterable[str]) -> list[str]:
    """What TRL logs after a step, under its own names."""
    of_rewards = [f"rewards/{name}/{statistic}" for name in rewards for statistic in ("mean", "std")]
    lengths = [
        f"completions/{statistic}_{what}"
        for what in ("length", "terminated_length")
        for statistic in ("mean", "min", "max")
    ]
    return [*TRAIN_METRICS, *of_rewards, *lengths]
