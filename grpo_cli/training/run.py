"""One rank's run, from the frozen configuration to the trained model. It reads as the story of a run."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any, cast

from accelerate import PartialState
from datasets import Dataset, IterableDataset
from transformers import set_seed

from grpo_cli.data.load import Data, load_data
from grpo_cli.errors import ConfigError, RunError
from grpo_cli.evaluation.held_out import HeldOutEvaluation
from grpo_cli.preflight.batch import BatchPlan
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.reward import Reward
from grpo_cli.rewards.text import prompt_opens_think
from grpo_cli.runs.checkpoints import COMPLETE_MARK
from grpo_cli.runs.disk import saving
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.provenance import add_provenance
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import read_json, update_result
from grpo_cli.training.arguments import build_arguments, check_data_size
from grpo_cli.training.auto import Resolved, resolve_auto
from grpo_cli.training.callbacks import Evaluating, Reporting, Stopping
from grpo_cli.training.model import (
    build_problem,
    check_model,
    load_tokenizer,
    model_init_kwargs,
    model_path,
    peft_config,
    quantization_config,
)
from grpo_cli.training.trainer import RunTrainer

WORLD_SIZE_PROMISED = "GRPO_TRAIN_WORLD_SIZE"


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
    for note in data.info["notes"]:
        recorder.warning(note)
    rewards = build_rewards(config["reward"], context=reward_context(config, tokenizer, data, state))

    recorder.phase("loading model")
    trainer = build_trainer(config, folder, recorder, tokenizer=tokenizer, data=data, rewards=rewards)
    if config["model"]["attn_implementation"] == "auto":
        chosen = policy(trainer).config._attn_implementation
        resolved.append(Resolved("model.attn_implementation", chosen, "transformers' choice for this model"))
    evaluation = None
    if isinstance(data.test, Dataset) and len(data.test):
        evaluation = HeldOutEvaluation(trainer, data.test, rewards, config["evaluation"], recorder)
    stopping = attach_callbacks(trainer, folder, recorder, evaluation)
    checkpoint = resume_checkpoint(config, trainer, recorder)
    describe(recorder, folder, config, trainer, data, resolved, start_step=step_of_resume(checkpoint))

    if evaluation and config["evaluation"]["baseline"] and not checkpoint:
        recorder.phase("evaluating")
        evaluation.run(step=0)
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
    if not stopping.stopped_by:
        if evaluation:
            recorder.phase("evaluating")
            evaluation.run(step)
        recorder.phase("saving")
        save_model(trainer, folder, merge=config["peft"]["merge"])
    if state.is_main_process:
        update_result(
            folder,
            **outcome(config, folder, trainer),
            timings={"train_seconds": train_seconds, "worker_seconds": time.perf_counter() - started},
        )
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
    rewards: list[Reward],
) -> RunTrainer:
    """Build TRL's trainer out of the parts."""
    training = config["training"]
    arguments = build_arguments(
        training,
        folder,
        init_kwargs=model_init_kwargs(config["model"], training),
        reward_weights=[reward.weight for reward in rewards],
        trust_remote_code=config["model"]["trust_remote_code"],
    )
    check_data_size(arguments, data.train)
    adapter, quantization = peft_config(config["peft"]), quantization_config(config["peft"])
    try:
        return RunTrainer(
            model_path(config["model"]["name"]),
            recorder=recorder,
            reward_funcs=list(rewards),
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
) -> Stopping:
    """Add our callbacks, in the order they act after a step."""
    trainer.add_callback(Reporting(trainer, recorder))
    if evaluation:
        trainer.add_callback(Evaluating(evaluation, recorder))
    stopping = Stopping(trainer, folder)
    stopping.install()
    trainer.add_callback(stopping)
    return stopping


def resume_checkpoint(config: dict[str, Any], trainer: RunTrainer, recorder: Recorder) -> str | None:
    """The checkpoint the composer chose to go on from, with its rollout state read; None for a fresh start."""
    checkpoint = config["resume_from"]
    if not checkpoint:
        return None
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


def describe(
    recorder: Recorder,
    folder: RunFolder,
    config: dict[str, Any],
    trainer: RunTrainer,
    data: Data,
    resolved: list[Resolved],
    start_step: int,
) -> None:
    """Tell the display, and `provenance.json`, what this run is made of."""
    for item in resolved:
        recorder.resolved(item.key, item.value, item.why)
    recorder.event(
        "plan",
        max_steps=planned_steps(trainer.args, data),
        num_train_prompts=None if isinstance(data.train, IterableDataset) else len(data.train),
        num_eval_prompts=len(data.test) if isinstance(data.test, Dataset) else 0,
        parameters=sum(p.numel() for p in policy(trainer).parameters()),
        trainable_parameters=sum(p.numel() for p in policy(trainer).parameters() if p.requires_grad),
        world_size=trainer.accelerator.num_processes,
        start_step=start_step,
    )
    if recorder.enabled:
        add_provenance(
            folder,
            data=data.info,
            resolved={item.key: {"value": item.value, "why": item.why} for item in resolved},
            device=str(trainer.args.device),
            world_size=trainer.accelerator.num_processes,
        )


def planned_steps(arguments: Any, data: Data) -> int | None:
    """How many optimizer steps the run will take."""
    if arguments.max_steps > 0:
        return arguments.max_steps
    plan = BatchPlan(
        per_device_train_batch_size=arguments.per_device_train_batch_size,
        world_size=arguments.world_size,
        steps_per_generation=arguments.steps_per_generation,
        gradient_accumulation_steps=arguments.gradient_accumulation_steps,
        num_generations=arguments.num_generations,
        num_iterations=arguments.num_iterations,
    )
    return plan.optimizer_steps(len(data.train), arguments.num_train_epochs)


def policy(trainer: RunTrainer) -> Any:
    """The model that is trained, without what distributed training wraps around it."""
    return trainer.accelerator.unwrap_model(trainer.model)


def save_model(trainer: RunTrainer, folder: RunFolder, merge: bool) -> None:
    """Save the final model with its tokenizer beside its place, then rename: `model/` is whole or absent.

    Args:
        trainer: whose policy is saved.
        folder: the run.
        merge: merge an adapter into the model, so that transformers alone can load it; the checkpoints keep
            the adapter. A quantized model cannot take it in, and keeps it apart.
    """
    beside = folder.root / ".model.tmp"
    if trainer.args.should_save and beside.exists():
        shutil.rmtree(beside)
    trainer.accelerator.wait_for_everyone()
    model, tokenizer = policy(trainer), cast(Any, trainer.processing_class)
    with saving(beside):
        if merge and hasattr(model, "merge_and_unload") and not getattr(model, "is_quantized", False):
            if trainer.args.should_save:
                model.merge_and_unload().save_pretrained(beside)
                tokenizer.save_pretrained(beside)
        else:
            trainer.save_model(str(beside))
    trainer.accelerator.wait_for_everyone()
    if trainer.args.should_save:
        (beside / "training_args.bin").unlink(missing_ok=True)
        if folder.model.exists():
            shutil.rmtree(folder.model)
        beside.rename(folder.model)


def outcome(config: dict[str, Any], folder: RunFolder, trainer: RunTrainer) -> dict[str, Any]:
    """The worker's part of `result.json`."""
    reporting = next(c for c in trainer.callback_handler.callbacks if isinstance(c, Reporting))
    # From the file, not from memory: a resumed run's baseline was measured by an earlier process.
    evaluations = [record for record in read(folder.metrics) if record["kind"] == "eval"]
    before = next((record for record in evaluations if record["step"] == 0), None)
    after = evaluations[-1] if evaluations and evaluations[-1]["step"] else None
    name = config["objective"]
    value = {**reporting.last_train, **(after or {})}.get(name)
    return {
        "step": trainer.state.global_step,
        "max_steps": trainer.state.max_steps,
        "objective": {"name": name, "value": value, "direction": config["direction"]},
        "metrics": {"before": before, "after": after, "train": reporting.last_train},
        "model": "model" if folder.model.exists() else None,
    }


def require_config(config: Any) -> dict[str, Any]:
    """Refuse a file that is not a frozen configuration.

    Raises:
        ConfigError: sections are missing.
    """
    sections = ("model", "dataset", "reward", "training", "launch", "peft", "evaluation")
    missing = [key for key in sections if not isinstance(config, dict) or key not in config]
    if missing:
        raise ConfigError(f"config.yaml lacks {', '.join(missing)}; it must be one that grpo-train has written.")
    return config
