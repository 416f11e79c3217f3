"""Every section of the config and the dataclass that declares its keys."""

from __future__ import annotations

from grpo_cli.config.groups.dataset import DatasetConfig
from grpo_cli.config.groups.evaluation import EvaluationConfig
from grpo_cli.config.groups.launch import LaunchConfig
from grpo_cli.config.groups.model import ModelConfig
from grpo_cli.config.groups.paths import PathsConfig
from grpo_cli.config.groups.peft import PeftConfig
from grpo_cli.config.groups.reward import RewardConfig
from grpo_cli.config.groups.root import RootConfig, SweepConfig
from grpo_cli.config.groups.tracker import TrackerConfig

# In the order of the defaults list; "" holds the keys outside every group. `training` is not here: TRL
# declares it.
SECTIONS: dict[str, type] = {
    "": RootConfig,
    "model": ModelConfig,
    "dataset": DatasetConfig,
    "peft": PeftConfig,
    "launch": LaunchConfig,
    "evaluation": EvaluationConfig,
    "tracker": TrackerConfig,
    "paths": PathsConfig,
    "sweep": SweepConfig,
}
# The keys that every entry of `reward:` has; its other keys are its target's own arguments.
REWARD_ENTRY: type = RewardConfig
