"""What a run says of itself: what it is made of when it starts, what came of it when it ends."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, IterableDataset

from grpo_cli.data.load import Data
from grpo_cli.preflight.batch import BatchPlan
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.objectives import as_result, objectives_of
from grpo_cli.runs.provenance import add_provenance
from grpo_cli.runs.recorder import Recorder
from grpo_cli.training.auto import Resolved
from grpo_cli.training.callbacks import Reporting
from grpo_cli.training.saving import policy
from grpo_cli.training.trainer import RunTrainer


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
        parameters=sum(size_of(p) for p in policy(trainer).parameters()),
        trainable_parameters=sum(size_of(p) for p in policy(trainer).parameters() if p.requires_grad),
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


def size_of(parameter: Any) -> int:
    """Numbers in a parameter, of which ZeRO-3 leaves nothing to be seen."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


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


def outcome(config: dict[str, Any], folder: RunFolder, trainer: RunTrainer) -> dict[str, Any]:
    """The worker's part of `result.json`."""
    reporting = next(c for c in trainer.callback_handler.callbacks if isinstance(c, Reporting))
    # From the file, not from memory: a resumed run's baseline was measured by an earlier process.
    evaluations = [record for record in read(folder.metrics) if record["kind"] == "eval"]
    before = next((record for record in evaluations if record["step"] == 0), None)
    evaluating = trainer.evaluating
    best = evaluating.best if evaluating else None
    # Of the model that is in model/: the last one's, or the best one's.
    done = [record for record in evaluations if record["step"] and (not best or record["step"] == best["step"])]
    after = done[-1] if done else None
    return {
        "step": trainer.state.global_step,
        "max_steps": trainer.state.max_steps,
        **as_result(objectives_of(config), {**reporting.last_train, **(after or {})}),
        "metrics": {"before": before, "after": after, "train": reporting.last_train},
        "model": "model" if folder.model.exists() else None,
        "model_holds": model_holds(folder, config["peft"]["method"]) if folder.model.exists() else None,
        "best": best,
        "stopped": evaluating.stopped if evaluating else None,
    }


def model_holds(folder: RunFolder, method: str) -> str:
    """What `model/` holds: "weights", "merged weights" (an adapter was merged in) or "adapter" (kept apart).

    Args:
        folder: the run.
        method: `peft.method`.
    """
    if (folder.model / "adapter_config.json").exists():
        return "adapter"
    return "weights" if method == "none" else "merged weights"
