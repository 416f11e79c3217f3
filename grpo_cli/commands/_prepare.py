"""What the composer settles before a configuration is frozen: names made absolute, the objective, light checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from grpo_cli.config.freeze import as_dict
from grpo_cli.config.schema import training_default
from grpo_cli.data.check import required_data_files
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.metrics import metric_names
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.plan import plan_launch
from grpo_cli.preflight.batch import batch_problems


def prepare(cfg: DictConfig, hardware: Hardware) -> None:
    """Settle paths and the objective in a configuration, in place, and check what needs no torch.

    Args:
        cfg: the composed configuration.
        hardware: this machine.

    Raises:
        ConfigError: every problem found.
    """
    make_absolute(cfg)
    config = as_dict(cfg)
    cfg.objective = settle_objective(config)
    world_size = plan_launch(config["launch"], config["training"], Path(), hardware=hardware).world_size
    problems = [
        *required_data_files(config["dataset"]),
        *batch_problems(config["training"], world_size, training_default),
    ]
    if problems:
        raise ConfigError(*problems)


def make_absolute(cfg: DictConfig) -> None:
    """Make the paths of the user's own reward files absolute, so that a run resumes from any directory."""
    for entry in cfg.reward.values():
        path, colon, name = str(entry.get("target") or "").partition(".py:")
        if colon:
            entry.target = f"{Path(path + '.py').expanduser().absolute()}:{name}"


def settle_objective(config: dict[str, Any]) -> str:
    """The metric a run is judged by: `auto` is held-out accuracy where a reward measures it, else held-out reward.

    Raises:
        ConfigError: a held-out metric that this run will not have.
    """
    correctness = [name for name, entry in config["reward"].items() if entry.get("correctness")]
    names = metric_names(config["reward"], correctness)
    objective = config["objective"]
    if objective == "auto":
        return names[0]
    if objective.startswith("eval/") and objective not in names:
        raise ConfigError(f"objective: this run will not measure '{objective}'; it measures {', '.join(names)}.")
    return objective
