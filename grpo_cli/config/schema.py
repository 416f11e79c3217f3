"""Every key there is: the installed TRL's under `training`, our own groups' under their names."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

from grpo_cli.config.fields import Field, parse
from grpo_cli.config.groups.dataset import DatasetConfig
from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.config.groups.evaluation import BestConfig, EarlyStoppingConfig, EvaluationConfig
from grpo_cli.config.groups.guard import GuardConfig
from grpo_cli.config.groups.launch import DeepSpeedConfig, FsdpConfig, LaunchConfig
from grpo_cli.config.groups.model import ModelConfig
from grpo_cli.config.groups.nodes import NodesConfig
from grpo_cli.config.groups.paths import PathsConfig
from grpo_cli.config.groups.peft import PeftConfig
from grpo_cli.config.groups.report import ReportConfig
from grpo_cli.config.groups.reward import RewardConfig
from grpo_cli.config.groups.rollout import RolloutConfig, RolloutServerConfig
from grpo_cli.config.groups.root import RootConfig
from grpo_cli.config.groups.slurm import SlurmConfig
from grpo_cli.config.groups.sweep import SweepConfig
from grpo_cli.config.groups.tracker import TrackerConfig
from grpo_cli.config.trl_fields import read_fields

# In the order of the defaults list; "" holds the keys outside every group, and a name with a dot is a section inside
# another, which is declared before it. `training` is not here: TRL declares it.
SECTIONS: dict[str, type] = {
    "": RootConfig,
    "model": ModelConfig,
    "dataset": DatasetConfig,
    "rollout": RolloutConfig,
    "rollout.server": RolloutServerConfig,
    "peft": PeftConfig,
    "guard": GuardConfig,
    "launch": LaunchConfig,
    "launch.fsdp": FsdpConfig,
    "launch.deepspeed": DeepSpeedConfig,
    "launch.nodes": NodesConfig,
    "launch.slurm": SlurmConfig,
    "evaluation": EvaluationConfig,
    "evaluation.early_stopping": EarlyStoppingConfig,
    "evaluation.best": BestConfig,
    "report": ReportConfig,
    "doctor": DoctorConfig,
    "tracker": TrackerConfig,
    "paths": PathsConfig,
    "sweep": SweepConfig,
}


# Training keys that take `auto` beside TRL's own values; the worker decides and records what each became.
TRAINING_AUTO: dict[str, str] = {
    "bf16": "true on a GPU that computes in bfloat16 (Ampere or newer), otherwise false; false where fp16 is true",
    "fp16": "true on a GPU that has no bfloat16, otherwise false",
    "use_cpu": "true where no GPU is visible or launch runs on the CPU, otherwise false",
    "use_vllm": "true where vllm is installed in a version TRL takes and a GPU is visible, otherwise false",
    "use_transformers_continuous_batching": "true on an NVIDIA GPU where vLLM is not used and the weights are not "
    "sharded, otherwise false",
}


def fields_of(section: str, declared: type) -> dict[str, Field]:
    """Read the keys a group's dataclass declares.

    Args:
        section: name of the group ("" for the root).
        declared: the dataclass, its fields built with `option`.

    Returns:
        Field by name, in the order of declaration.
    """
    found = {}
    for field in dataclasses.fields(declared):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found[field.name] = Field(
            section,
            field.name,
            parse(str(field.type)),
            default,
            field.metadata["help"],
            field.metadata["choices"],
        )
    return found


@functools.lru_cache(maxsize=1)
def sections() -> dict[str, dict[str, Field]]:
    """Give every section's keys.

    Returns:
        Section ("" for the root) → name → Field; `reward` is not among them, see `reward_entry`.
    """
    table = {name: fields_of(name, declared) for name, declared in SECTIONS.items()}
    table["training"] = {
        name: dataclasses.replace(field, auto=TRAINING_AUTO.get(name)) for name, field in read_fields().items()
    }
    return table


def training_default(name: str) -> Any:
    """TRL's own default of a `training` key."""
    return sections()["training"][name].default


@functools.lru_cache(maxsize=1)
def reward_entry() -> dict[str, Field]:
    """Give the keys that every `reward.<name>` has beside its target's own arguments."""
    return fields_of("reward.<name>", RewardConfig)


def defaults() -> dict[str, Any]:
    """Build the bottom layer of every composition: each section with each key at its default.

    Returns:
        Nested plain containers; `training` is empty in them, so that `--cfg job` shows what a run sets and not
        TRL's 191 defaults.
    """
    tree: dict[str, Any] = {}
    for section, declared in SECTIONS.items():
        values = {name: copy.deepcopy(field.default) for name, field in fields_of(section, declared).items()}
        if section:
            above, _, name = section.rpartition(".")
            (tree[above] if above else tree)[name] = values
        else:
            tree.update(values)
        if section == "dataset":  # the order in which a person reads a run
            tree["reward"] = {}
            tree["training"] = {}
    return tree
