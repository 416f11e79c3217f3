"""TRL's `GRPOConfig` out of the `training` section, checked against the data before anything is generated."""

from __future__ import annotations

import warnings
from typing import Any

from datasets import Dataset, IterableDataset
from trl import GRPOConfig

from grpo_cli.errors import ConfigError
from grpo_cli.runs.folder import RunFolder
from grpo_cli.training.model import one_line


def build_arguments(
    training: dict[str, Any],
    folder: RunFolder,
    *,
    init_kwargs: dict[str, Any],
    reward_weights: list[float],
    trust_remote_code: bool,
) -> GRPOConfig:
    """Build the `GRPOConfig`; must run in the launched process, because TRL checks against its world size.

    Args:
        training: the `training` section with every `auto` resolved.
        folder: the run; checkpoints go there unless `training.output_dir` says otherwise.
        init_kwargs: what `from_pretrained` is given.
        reward_weights: one weight per reward, in order.
        trust_remote_code: whether code that comes with a model may run.

    Raises:
        ConfigError: TRL or transformers refuse a value or a combination.
    """
    values = dict(training)
    values["model_init_kwargs"] = init_kwargs
    values["reward_weights"] = reward_weights
    values["trust_remote_code"] = trust_remote_code or bool(values.get("trust_remote_code"))
    values["output_dir"] = values.get("output_dir") or str(folder.checkpoints)
    # The live display is the progress bar.
    values.setdefault("disable_tqdm", True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return GRPOConfig(**values)
    except (ValueError, TypeError, ImportError, RuntimeError, NotImplementedError) as error:
        raise ConfigError(f"training: TRL refuses this combination: {one_line(error)}") from error


def check_data_size(arguments: GRPOConfig, train: Dataset | IterableDataset) -> None:
    """Refuse a data set too small for one generation batch, where TRL would train 0 steps and succeed.

    Raises:
        ConfigError: with the values that would fit.
    """
    if isinstance(train, IterableDataset):
        if arguments.max_steps <= 0:
            raise ConfigError(
                "training.max_steps: a streaming data set has no length, so the run needs to know its own; "
                "write training.max_steps=1000, for example."
            )
        return
    assert arguments.generation_batch_size and arguments.num_generations and arguments.steps_per_generation
    needed = arguments.generation_batch_size // arguments.num_generations
    if len(train) >= needed:
        return
    share = arguments.world_size * arguments.steps_per_generation
    fits = [
        size
        for size in range(1, arguments.per_device_train_batch_size)
        if (size * share) % arguments.num_generations == 0 and size * share // arguments.num_generations <= len(train)
    ]
    advice = (
        f"write training.per_device_train_batch_size={fits[-1]}"
        if fits
        else "lower training.gradient_accumulation_steps or training.num_generations"
    )
    raise ConfigError(
        f"dataset: {len(train)} training prompts are too few for one generation batch, which takes {needed} "
        f"({arguments.generation_batch_size} completions, {arguments.num_generations} a prompt): the run would "
        f"train 0 steps; {advice}, or give more data."
    )
