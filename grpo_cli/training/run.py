"""One rank's run, from the frozen configuration to the trained model. It reads as the story of a run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import set_seed

from grpo_cli.data.load import Data, load_data
from grpo_cli.doctor.doctor import Doctor, settings_of
from grpo_cli.doctor.facts import facts_of
from grpo_cli.doctor.watch import Watching
from grpo_cli.errors import ConfigError, RunError
from grpo_cli.evaluation.held_out import HeldOutEvaluation
from grpo_cli.evaluation.scoring import evaluation_guard
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.combine import Combiner
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.guarded import GuardedReward
from grpo_cli.rewards.text import prompt_opens_think
from grpo_cli.rollout import causes
from grpo_cli.runs.checkpoints import COMPLETE_MARK
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.origins import data_differences
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import read_json, update_result
from grpo_cli.training.account import describe, outcome
from grpo_cli.training.arguments import build_arguments, check_data_size
from grpo_cli.training.auto import Resolved, resolve_auto
from grpo_cli.training.callbacks import Reporting, Stopping
from grpo_cli.training.evaluating import Evaluating, build_evaluation
from grpo_cli.training.gathered import when_prepared
from grpo_cli.training.mismatch import MismatchWatch
from grpo_cli.training.model import (
    build_problem,
    check_model,
    load_tokenizer,
    model_init_kwargs,
    model_path,
    peft_config,
    quantization_config,
)
from grpo_cli.training.saving import policy, save_model
from grpo_cli.training.trackers import attach_trackers
from grpo_cli.training.trainer import RunTrainer

WORLD_SIZE_PROMISED = "GRPO_TRAIN_WORLD_SIZE"


def run(config: dict[str, Any], folder: RunFolder, work: Callable[..., int] | None = None) -> int:
    """Train as a frozen configuration says, on this rank.

    Args:
        config: the frozen configuration as plain containers.
        folder: the run's folder.
        work: what is done once data and rewards are at hand; `train` by default, a probe measures instead.

    Returns:
        0, or the number of the signal after which the run was stopped cleanly.

    Raises:
        ConfigError: the configuration, data or model cannot be used; nothing was trained.
        RunError: training failed.
    """
    started = time.perf_counter()
    training = config["training"]
    resolved = resolve_auto(config)
    state = PartialState(cpu=bool(training["use_cpu"]))
    check_world_size(state.num_processes)
    recorder = Recorder(folder, enabled=state.is_main_process)
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
        return (work or train)(
            config,
            folder,
            recorder,
            tokenizer=tokenizer,
            data=data,
            guard=guard,
            judges=judges,
            resolved=resolved,
            started=started,
        )


def changed_data(config: dict[str, Any], data: Data) -> list[str]:
    """What differs in the data from that of the run that this one reproduces, before anything is trained."""
    if not config.get("reproduce"):
        return []
    recorded = read_json(RunFolder(Path(config["reproduce"])).provenance).get("data")
    return [f"reproduce: not the same {line}" for line in data_differences(recorded, data.info)]


def train(
    config: dict[str, Any],
    folder: RunFolder,
    recorder: Recorder,
    *,
    tokenizer: Any,
    data: Data,
    guard: Guard,
    judges: list[GuardedReward],
    resolved: list[Resolved],
    started: float,
) -> int:
    """Train, with data and rewards at hand: the second half of `run`."""
    recorder.phase("loading model")
    trainer = build_trainer(config, folder, recorder, tokenizer=tokenizer, data=data, guard=guard)
    state = PartialState()
    if config["model"]["attn_implementation"] == "auto":
        chosen = policy(trainer).config._attn_implementation
        resolved.append(Resolved("model.attn_implementation", chosen, "transformers' choice for this model"))
    evaluation = build_evaluation(config, trainer, data.test, judges, recorder)
    stopping, evaluating = attach_callbacks(trainer, folder, recorder, evaluation)
    watch(config, recorder, trainer, stopping)
    tracking = attach_trackers(trainer, folder, recorder)
    checkpoint = resume_checkpoint(config, trainer, recorder)
    describe(recorder, folder, config, trainer, data, resolved, start_step=step_of_resume(checkpoint))

    if evaluating and config["evaluation"]["baseline"] and not checkpoint:
        when_prepared(trainer, evaluating.baseline)
    recorder.phase("training")
    trained_from = time.perf_counter()
    trainer.train(resume_from_checkpoint=checkpoint)
    train_seconds = time.perf_counter() - trained_from

    step = trainer.state.global_step
    if step == 0:
        raise RunError(
            "Training ended after 0 steps: the data gave no full generation batch; give more prompts, or lower "
            "training.per_device_train_batch_size."
        )
    if stopping.ended:
        if state.is_main_process:
            update_result(folder, **(outcome(config, folder, trainer) | {"stopped": stopping.ended}))
        raise RunError(stopping.ended)
    if not stopping.stopped_by:
        if evaluating:
            evaluating.finish(step)
        recorder.phase("saving")
        save_model(trainer, folder, merge=config["peft"]["merge"])
    if state.is_main_process:
        update_result(
            folder,
            **outcome(config, folder, trainer),
            timings={"train_seconds": train_seconds, "worker_seconds": time.perf_counter() - started},
        )
    if tracking:
        tracking.close()
    state.wait_for_everyone()
    recorder.phase("done")
    return stopping.stopped_by


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


def build_trainer(
    config: dict[str, Any],
    folder: RunFolder,
    recorder: Recorder,
    *,
    tokenizer: Any,
    data: Data,
    guard: Guard,
) -> RunTrainer:
    """Build TRL's trainer out of the parts."""
    training = config["training"]
    arguments = build_arguments(
        training,
        folder,
        init_kwargs=model_init_kwargs(config["model"], training),
        reward_weights=[reward.weight for reward in guard.rewards],
        trust_remote_code=config["model"]["trust_remote_code"],
    )
    check_data_size(arguments, data.train)
    adapter, quantization = peft_config(config["peft"]), quantization_config(config["peft"])
    try:
        return RunTrainer(
            model_path(config["model"]["name"]),
            recorder=recorder,
            guard=guard,
            combiner=Combiner(config["reward"]),
            mismatch=MismatchWatch(config, recorder),
            reward_funcs=list(guard.rewards),
            args=arguments,
            train_dataset=data.train,
            eval_dataset=data.test if arguments.eval_strategy != "no" else None,
            processing_class=tokenizer,
            peft_config=adapter,
            quantization_config=quantization,
        )
    except (OSError, TypeError, ValueError, ImportError) as error:
        raise ConfigError(build_problem(config, error)) from error


def attach_callbacks(
    trainer: RunTrainer, folder: RunFolder, recorder: Recorder, evaluation: HeldOutEvaluation | None
) -> tuple[Stopping, Evaluating | None]:
    """Add our callbacks, in the order they act after a step."""
    trainer.add_callback(Reporting(trainer, recorder))
    evaluating = Evaluating(trainer, evaluation, recorder) if evaluation else None
    if evaluating:
        trainer.add_callback(evaluating)
    stopping = Stopping(trainer, folder)
    stopping.install()
    trainer.add_callback(stopping)
    return stopping, evaluating


def watch(config: dict[str, Any], recorder: Recorder, trainer: RunTrainer, stopping: Stopping) -> None:
    """Let the doctor see what is recorded, on rank 0."""
    settings = settings_of(config.get("doctor"))
    if not settings.enabled or not recorder.enabled:
        return
    attention = str(getattr(trainer.accelerator.unwrap_model(trainer.model).config, "_attn_implementation", ""))
    facts = facts_of(trainer.args, config["reward"], causes.likely(config, attention))
    doctor = Doctor(facts, settings, told=read(recorder.folder.doctor))
    watching = Watching(doctor, recorder, stop=stopping.ask)
    watching.begin()
    recorder.listeners.append(watching)


def resume_checkpoint(config: dict[str, Any], trainer: RunTrainer, recorder: Recorder) -> str | None:
    """The checkpoint the composer chose to go on from, with its rollout state read; None for a fresh start."""
    checkpoint = config["resume_from"]
    if not checkpoint:
        return None
    if trainer.evaluating:
        trainer.evaluating.load(Path(checkpoint))
    world_size = read_json(Path(checkpoint) / COMPLETE_MARK).get("world_size")
    if world_size == trainer.accelerator.num_processes:
        trainer.load_rollout_state(Path(checkpoint))
    else:
        recorder.warning(
            f"The checkpoint was saved by {world_size} processes and goes on with "
            f"{trainer.accelerator.num_processes}: training goes on, but not bit for bit as it would have."
        )
    return checkpoint


def step_of_resume(checkpoint: str | None) -> int:
    """The step training goes on after."""
    return int(read_json(Path(checkpoint) / COMPLETE_MARK)["step"]) if checkpoint else 0


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
