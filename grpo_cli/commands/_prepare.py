"""What the composer settles before a configuration is frozen: names made absolute, the objective, light checks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from grpo_cli.config.freeze import as_dict
from grpo_cli.config.schema import training_default
from grpo_cli.config.suggest import did_you_mean, nearest
from grpo_cli.data.check import required_data_files
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.metrics import metric_names
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.plan import plan_launch
from grpo_cli.preflight.batch import batch_problems
from grpo_cli.preflight.files import file_problems
from grpo_cli.preflight.hardware import hardware_problems
from grpo_cli.preflight.packages import package_problems

TRAIN_METRICS = (
    "reward", "reward_std", "frac_reward_zero_std", "loss", "kl", "entropy", "completions/clipped_ratio",
    "clip_ratio/low_mean", "clip_ratio/low_min", "clip_ratio/high_mean", "clip_ratio/high_max",
    "clip_ratio/region_mean", "grad_norm", "learning_rate", "num_tokens", "step_time", "epoch",
)  # fmt: skip


def prepare(cfg: DictConfig, hardware: Hardware) -> None:
    """Settle paths and the objective in a configuration, in place, and check what needs no torch.

    Args:
        cfg: the composed configuration.
        hardware: this machine.

    Raises:
        ConfigError: every problem found.
    """
    make_absolute(cfg)
    translate(cfg)
    config = as_dict(cfg)
    cfg.objective = settle_objective(config)
    plan = plan_launch(config["launch"], config["training"], Path(), hardware=hardware)
    on_cpu = plan.kind == "cpu"
    problems = [
        *file_problems(config),
        *required_data_files(config["dataset"]),
        *batch_problems(config["training"], plan.world_size, training_default),
        *hardware_problems(config, on_cpu),
        *package_problems(config, on_cpu),
    ]
    if problems:
        raise ConfigError(*problems)


def make_absolute(cfg: DictConfig) -> None:
    """Make the paths of the user's own reward files absolute, so that a run resumes from any directory."""
    for entry in cfg.reward.values():
        path, colon, name = str(entry.get("target") or "").partition(".py:")
        if colon:
            entry.target = f"{Path(path + '.py').expanduser().absolute()}:{name}"


def translate(cfg: DictConfig) -> None:
    """Move what is set under TRL's name to the section that holds it here: reward weights, trust in remote code.

    Raises:
        ConfigError: another number of weights than of rewards.
    """
    weights = cfg.training.pop("reward_weights", None)
    if weights is not None:
        if len(weights) != len(cfg.reward):
            raise ConfigError(
                f"training.reward_weights has {len(weights)} weights for {len(cfg.reward)} rewards "
                f"({', '.join(cfg.reward)}); give one each, or write reward.<name>.weight."
            )
        for entry, weight in zip(cfg.reward.values(), weights, strict=True):
            entry.weight = weight
    if cfg.training.pop("trust_remote_code", None):
        cfg.model.trust_remote_code = True


def settle_objective(config: dict[str, Any]) -> str:
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
        if objective == "eval/accuracy":
            hint = ": no reward tells right from wrong; write reward.<name>.correctness=true, or objective=eval/reward"
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
