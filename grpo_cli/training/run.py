"""One rank's run, from the frozen configuration to the trained model. It reads as the story of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from accelerate import PartialState

from grpo_cli.doctor.doctor import Doctor, settings_of
from grpo_cli.doctor.facts import facts_of
from grpo_cli.doctor.watch import Watching
from grpo_cli.errors import RunError
from grpo_cli.evaluation.held_out import HeldOutEvaluation
from grpo_cli.rollout import causes
from grpo_cli.runs.checkpoints import COMPLETE_MARK
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import read_json, update_result
from grpo_cli.training.account import describe, outcome
from grpo_cli.training.auto import Resolved
from grpo_cli.training.build import build_trainer
from grpo_cli.training.callbacks import Reporting, Stopping
from grpo_cli.training.evaluating import Evaluating, build_evaluation
from grpo_cli.training.gathered import when_prepared
from grpo_cli.training.parts import Parts, gathered_parts
from grpo_cli.training.saving import policy, save_model
from grpo_cli.training.trackers import attach_trackers
from grpo_cli.training.trainer import RunTrainer


def run(config: dict[str, Any], folder: RunFolder) -> int:
    """Train as a frozen configuration says, on this rank.

    Args:
        config: the frozen configuration as plain containers.
        folder: the run's folder.

    Returns:
        0, or the number of the signal after which the run was stopped cleanly.

    Raises:
        ConfigError: the configuration, data or model cannot be used; nothing was trained.
        RunError: training failed.
    """
    started = time.perf_counter()
    with gathered_parts(config, folder) as parts:
        return train(parts, started)


def train(parts: Parts, started: float) -> int:
    """Train, with data and rewards at hand: the second half of `run`.

    Args:
        parts: what the run is made of.
        started: when this rank's work began, of `time.perf_counter`.
    """
    config, folder, recorder, data = parts.config, parts.folder, parts.recorder, parts.data
    recorder.phase("loading model")
    trainer = build_trainer(parts)
    state = PartialState()
    if config["model"]["attn_implementation"] == "auto":
        chosen = policy(trainer).config._attn_implementation
        parts.resolved.append(Resolved("model.attn_implementation", chosen, "transformers' choice for this model"))
    evaluation = build_evaluation(config, trainer, data.test, parts.judges, recorder)
    stopping, evaluating = attach_callbacks(trainer, folder, recorder, evaluation)
    watch(config, recorder, trainer, stopping)
    tracking = attach_trackers(trainer, folder, recorder)
    checkpoint = resume_checkpoint(config, trainer, recorder)
    describe(recorder, folder, config, trainer, data, parts.resolved, start_step=step_of_resume(checkpoint))

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
