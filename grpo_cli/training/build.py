"""TRL's trainer, built out of a run's parts."""

from __future__ import annotations

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.combine import Combiner
from grpo_cli.training.arguments import build_arguments, check_data_size
from grpo_cli.training.mismatch import MismatchWatch
from grpo_cli.training.model import (
    build_problem,
    model_init_kwargs,
    model_path,
    peft_config,
    quantization_config,
)
from grpo_cli.training.parts import Parts
from grpo_cli.training.trainer import RunTrainer


def build_trainer(parts: Parts) -> RunTrainer:
    """Build TRL's trainer out of the parts.

    Raises:
        ConfigError: TRL or transformers refuse a value, or the model cannot be loaded.
    """
    config, guard = parts.config, parts.guard
    training = config["training"]
    arguments = build_arguments(
        training,
        parts.folder,
        init_kwargs=model_init_kwargs(config["model"], training),
        reward_weights=[reward.weight for reward in guard.rewards],
        trust_remote_code=config["model"]["trust_remote_code"],
    )
    check_data_size(arguments, parts.data.train)
    adapter, quantization = peft_config(config["peft"]), quantization_config(config["peft"])
    try:
        return RunTrainer(
            model_path(config["model"]["name"]),
            recorder=parts.recorder,
            guard=guard,
            combiner=Combiner(config["reward"]),
            mismatch=MismatchWatch(config, parts.recorder),
            reward_funcs=list(guard.rewards),
            args=arguments,
            train_dataset=parts.data.train,
            eval_dataset=parts.data.test if arguments.eval_strategy != "no" else None,
            processing_class=parts.tokenizer,
            peft_config=adapter,
            quantization_config=quantization,
        )
    except (OSError, TypeError, ValueError, ImportError) as error:
        raise ConfigError(build_problem(config, error)) from error
