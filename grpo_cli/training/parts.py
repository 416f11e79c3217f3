"""What a run is made of before there is a model: its data, its rewards, and every `auto` resolved.

Training takes them up, and so does a probe (`training.probe`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import set_seed

from grpo_cli.data.load import Data, load_data
from grpo_cli.errors import ConfigError, RunError
from grpo_cli.evaluation.scoring import evaluation_guard
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.guarded import GuardedReward
from grpo_cli.rewards.notices import listen
from grpo_cli.rewards.text import prompt_opens_think
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.origins import data_differences
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import read_json
from grpo_cli.training.auto import Resolved, resolve_auto
from grpo_cli.training.model import (
    check_model,
    load_tokenizer,
)

WORLD_SIZE_PROMISED = "GRPO_TRAIN_WORLD_SIZE"


@dataclass
class Parts:
    """What a run is made of, on this rank.

    Attributes:
        config: the frozen configuration as plain containers, every `auto` replaced.
        folder: the run's folder.
        recorder: writes what happens there, on rank 0.
        tokenizer: the policy's.
        data: training and held-out rows.
        guard: what runs the rewards.
        judges: the rewards of the evaluation.
        resolved: what each `auto` became, and why.
    """

    config: dict[str, Any]
    folder: RunFolder
    recorder: Recorder
    tokenizer: Any
    data: Data
    guard: Guard
    judges: list[GuardedReward]
    resolved: list[Resolved]


@contextmanager
def gathered_parts(config: dict[str, Any], folder: RunFolder) -> Iterator[Parts]:
    """Load a run's data and start its rewards, which end with the `with` block.

    Args:
        config: the frozen configuration as plain containers.
        folder: the run's folder.

    Yields:
        The parts.

    Raises:
        ConfigError: the configuration, data or rewards cannot be used.
        RunError: this is not as many processes as were planned.
    """
    training = config["training"]
    resolved = resolve_auto(config)
    state = PartialState(cpu=bool(training["use_cpu"]))
    check_world_size(state.num_processes)
    recorder = Recorder(folder, enabled=state.is_main_process)
    listen(recorder.warning)
    set_seed(training["seed"])

    recorder.phase("loading data")
    check_model(config["model"])
    tokenizer = load_tokenizer(config["model"])
    with state.main_process_first():
        data = load_data(config["dataset"], tokenizer=tokenizer, seed=config["seed"])
    for note in [*data.info["notes"], *changed_data(config, data)]:
        recorder.warning(note)
    context = reward_context(config, tokenizer, data, state)
    with (
        build_guard(config, folder, recorder, context) as guard,
        evaluation_guard(
            config,
            context,
            guard,
            failures=folder.reward_failures,
            warn=recorder.warning,
            rank=state.process_index,
        ) as judges,
    ):
        if guard.settings.workers == "auto":
            resolved.append(Resolved("guard.workers", guard.workers, "this machine's cores, shared among its ranks"))
        for reward in guard.rewards:
            if note := reward.reward.note():
                resolved.append(Resolved(f"reward.{reward.__name__}", note, "found on this machine"))
        yield Parts(config, folder, recorder, tokenizer, data, guard, judges, resolved)


def changed_data(config: dict[str, Any], data: Data) -> list[str]:
    """What differs in the data from that of the run that this one reproduces, before anything is trained."""
    if not config.get("reproduce"):
        return []
    recorded = read_json(RunFolder(Path(config["reproduce"])).provenance).get("data")
    return [f"reproduce: not the same {line}" for line in data_differences(recorded, data.info)]


def check_world_size(actual: int) -> None:
    """Refuse to train on fewer processes than were asked for, which some launch settings give silently.

    Raises:
        RunError: the world size is not the one that was planned.
    """
    promised = os.environ.get(WORLD_SIZE_PROMISED)
    if promised and int(promised) != actual:
        raise RunError(
            f"The launch promised {promised} processes and this one finds {actual}; nothing was trained. Check "
            "launch.kind and launch.num_processes, and that no ACCELERATE_* variable overrides them."
        )


def reward_context(config: dict[str, Any], tokenizer: Any, data: Data, state: PartialState) -> RewardContext:
    """What rewards may know about the run they score."""
    return RewardContext(
        tokenizer=tokenizer,
        device=state.device,
        prompt_opens_think=prompt_opens_think(tokenizer, config["training"].get("chat_template_kwargs")),
        columns=data_columns(data),
        seed=config["seed"],
    )


def build_guard(config: dict[str, Any], folder: RunFolder, recorder: Recorder, context: RewardContext) -> Guard:
    """Build the rewards, and start the processes they run in while the model is being loaded."""
    return Guard(
        build_rewards(config["reward"], context=context),
        config["reward"],
        context=context,
        settings=config.get("guard"),
        failures=folder.reward_failures,
        warn=recorder.warning,
        rank=PartialState().process_index,
    )


def data_columns(data: Data) -> list[str]:
    """The columns every row of the data has; a stream without declared columns is asked for its first row."""
    if data.train.column_names is not None:
        return list(data.train.column_names)
    return list(next(iter(data.train)))


def require_config(config: Any) -> dict[str, Any]:
    """Refuse a file that is not a frozen configuration.

    Raises:
        ConfigError: sections are missing.
    """
    sections = ("model", "dataset", "reward", "training", "launch", "peft", "rollout", "evaluation")
    missing = [key for key in sections if not isinstance(config, dict) or key not in config]
    if missing:
        raise ConfigError(f"config.yaml lacks {', '.join(missing)}; it must be one that grpo-train has written.")
    return config
