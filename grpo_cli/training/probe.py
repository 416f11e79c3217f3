"""Two steps measured and nothing trained: what `grpo-check probe=true` starts on every rank.

The run's own model, data, rewards and trainer, at the configured sizes, on the longest prompts there are and with
every completion at full length, so that the peak is the one to reckon with. The first step allocates the optimizer's
state and warms up; the second is timed.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grpo_cli.data.lengths import longest_first, prompt_tokens
from grpo_cli.errors import RunError
from grpo_cli.forecast.measured import BACKWARD, GENERATION, LOGPROBS, OPTIMIZER, REWARD, rank_file
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.recorder import Recorder
from grpo_cli.training.build import build_trainer
from grpo_cli.training.parts import Parts, gathered_parts
from grpo_cli.training.phases import PhaseMeter
from grpo_cli.training.trainer import RunTrainer

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def measure(config: dict[str, Any], folder: RunFolder) -> int:
    """Take two steps and leave what they took in this rank's file; in place of `grpo_cli.training.run.run`.

    Args:
        config: the frozen configuration as plain containers.
        folder: a folder for the time of the probe.

    Returns:
        0.

    Raises:
        ConfigError: the configuration, data or model cannot be used.
        RunError: a phase ran out of memory; the rank's file says which.
    """
    with gathered_parts(config, folder) as parts:
        return take_steps(parts)


def take_steps(parts: Parts) -> int:
    """Take the two steps, with data and rewards at hand: the second half of `measure`."""
    recorder, training = parts.recorder, parts.config["training"]
    recorder.phase("loading model")
    training["generation_kwargs"] = {**(training.get("generation_kwargs") or {}), **full_length(training)}
    note = Account(rank_file(parts.folder.root, int(os.environ.get("RANK", "0"))))
    try:
        trainer = build_trainer(parts)
        trainer.train_dataset = longest_rows(parts.data.train, parts.tokenizer, trainer.args)
        note.describe(trainer)
        trainer.add_callback(instrument(trainer, note, recorder))
        recorder.phase("measuring")
        trainer.train()
    except (RuntimeError, MemoryError) as error:
        if not (isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY)):
            raise
        note.write(out_of_memory=True)
        raise RunError(f"out of memory in the phase '{note.phase}'") from error
    note.write(done=True)
    return 0


def full_length(training: dict[str, Any]) -> dict[str, Any]:
    """Arguments of generation under which no completion ends before `max_completion_length`, for each engine."""
    if training.get("use_vllm"):
        return {"ignore_eos": True}
    if training.get("use_transformers_continuous_batching"):
        return {"eos_token_id": -1}
    return {"min_new_tokens": training.get("max_completion_length") or 256}


def longest_rows(train: Any, tokenizer: Any, arguments: Any) -> Any:
    """The rows with the longest prompts, the same for each generation that two steps take; a stream stays as it is."""
    if not isinstance(train, Dataset):
        return train
    feeds = arguments.steps_per_generation * arguments.num_iterations
    generations = max(1, -(-arguments.gradient_accumulation_steps // feeds)) + 1
    candidates = longest_first(train["prompt"])
    lengths = prompt_tokens([train[i]["prompt"] for i in candidates], tokenizer)
    order = sorted(range(len(candidates)), key=lambda i: -int(lengths[i]))
    longest = [candidates[i] for i in order[: arguments.generation_batch_size // arguments.num_generations]]
    return train.select(longest * 2 * generations)


class Account:
    """What this rank has measured so far, in its file: rewritten at every phase, so that it survives a kill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meter: PhaseMeter | None = None
        self.fixed: dict[str, Any] = {}
        self.phase = "loading the model"
        self.write()

    def describe(self, trainer: RunTrainer) -> None:
        """Note the device, and what the seconds are to be scaled by."""
        device, arguments = trainer.args.device, trainer.args
        self.fixed = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "total_bytes": torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else None,
            "passes": arguments.gradient_accumulation_steps,
            "passes_per_generation": arguments.steps_per_generation * arguments.num_iterations,
        }

    def note_phase(self, name: str) -> None:
        """A phase begins."""
        self.phase = name
        self.write()

    def write(self, **facts: Any) -> None:
        """Write everything, with these facts from now on."""
        self.fixed.update(facts)
        phases = {name: dataclasses.asdict(phase) for name, phase in self.meter.phases.items()} if self.meter else {}
        write_json(self.path, {**self.fixed, "phase": self.phase, "phases": phases})


class TwoSteps(TrainerCallback):
    """Times the second step alone, and makes it generate whatever the schedule says."""

    def __init__(self, trainer: RunTrainer, meter: PhaseMeter, note: Account, recorder: Recorder) -> None:
        self.trainer = trainer
        self.meter = meter
        self.note = note
        self.recorder = recorder

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """What was loaded before is no part of a step."""
        self.meter.forget_times()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The optimizer begins."""
        self.meter.begin(OPTIMIZER)

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The optimizer is done."""
        self.meter.end()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Between the steps, forget the first one's times; after them, note the lengths."""
        self.recorder.event("step", step=state.global_step, max_steps=state.max_steps, tokens=0)
        inputs: Any = self.trainer._buffered_inputs
        if state.global_step == 1:
            self.trainer._buffered_inputs = None
            self.meter.forget_times()
        else:
            self.meter.settle()
        if inputs:
            self.note.fixed["prompt_tokens"] = int(inputs[0]["prompt_ids"].shape[1])
            self.note.fixed["completion_tokens"] = int(inputs[0]["completion_ids"].shape[1])
        self.note.write(steps=state.global_step)


def instrument(trainer: RunTrainer, note: Account, recorder: Recorder) -> TwoSteps:
    """Make the trainer's methods count for the phases they are; returns the callback that belongs to it."""
    meter = PhaseMeter(trainer.args.device, note.note_phase)
    note.meter = meter
    meter.wrap(trainer, "training_step", BACKWARD)
    meter.wrap(trainer, "_generate_and_score_completions", GENERATION)
    meter.wrap(trainer, "_calculate_rewards", REWARD)
    meter.wrap(
        trainer,
        "_get_per_token_logps_and_entropies",
        lambda: None if torch.is_grad_enabled() else LOGPROBS,
    )
    trainer._refuse_unscored = lambda count: None  # type: ignore[method-assign]  # a cut completion may have no score
    return TwoSteps(trainer, meter, note, recorder)
