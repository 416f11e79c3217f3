"""The true numbers of a run at the world size that will be launched: prompts, completions, steps, tokens."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from grpo_cli.launch.hardware import Hardware
from grpo_cli.preflight.show import count, process
from grpo_cli.preflight.situation import Situation, situation_of


@dataclass(frozen=True)
class Arithmetic:
    """What a run consists of; None stands for what cannot be told without loading the data.

    Attributes:
        world_size: processes.
        kind: how they are launched.
        group: completions per prompt (G).
        per_device: completions per process and micro-batch.
        accumulation: micro-batches per optimizer step.
        completions_per_step: completions per optimizer step.
        prompts_per_step: groups per optimizer step (a fraction where a group spans several steps).
        generation_batch: completions generated at once, over all processes.
        prompts_per_generation: prompts of a generation batch.
        steps_per_generation: micro-batches that one generation feeds.
        iterations: how often each completion is trained on.
        train_prompts: prompts to train on, at most.
        test_prompts: held-out prompts, at most.
        generations_per_epoch: full generation batches in an epoch.
        steps_per_epoch: optimizer steps in an epoch.
        total_steps: optimizer steps of the run.
        epochs: passes over the data that is.
        generations: generation batches of the run.
        completions: completions generated in the run, evaluation apart.
        most_tokens: tokens of those completions when none ends early.
    """

    world_size: int
    kind: str
    group: int
    per_device: int
    accumulation: int
    completions_per_step: int
    prompts_per_step: float
    generation_batch: int
    prompts_per_generation: int
    steps_per_generation: int
    iterations: int
    train_prompts: int | None
    test_prompts: int | None
    generations_per_epoch: int | None
    steps_per_epoch: int | None
    total_steps: int | None
    epochs: float | None
    generations: int | None
    completions: int | None
    most_tokens: int | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str, str]]:
        """The table: name, number, how it comes about."""
        micro = f"{self.per_device} a process × {process(self.world_size)}"
        passes = f" × {self.accumulation} accumulation steps" if self.accumulation > 1 else ""
        rows = [
            ("optimizer step", f"{count(self.completions_per_step)} completions", f"{micro}{passes}"),
        ]
        if self.completions_per_step % self.group == 0 or self.group % self.completions_per_step == 0:
            prompts = f"{self.prompts_per_step:g} prompt{'s' * (self.prompts_per_step != 1)}"
            rows.append(("", prompts, f"groups of {self.group}"))
        feeds = f"{micro} × {self.steps_per_generation} micro-batches" if self.steps_per_generation > 1 else micro
        used = f", each used {self.iterations} times" if self.iterations > 1 else ""
        rows.append(("generation", f"{count(self.generation_batch)} completions", f"{feeds}{used}"))
        if self.steps_per_epoch is not None and self.train_prompts is not None:
            per = self.prompts_per_generation
            detail = f"{count(self.generations_per_epoch or 0)} generations of {per} prompt{'s' * (per > 1)}"
            rows.append(
                ("epoch", f"{count(self.steps_per_epoch)} steps", f"{count(self.train_prompts)} prompts: {detail}")
            )
        if self.total_steps is not None:
            epochs = f"{self.epochs:.2g} epochs" if self.epochs is not None else "max_steps"
            rows.append(("run", f"{count(self.total_steps)} steps", epochs))
        if self.completions is not None and self.most_tokens is not None:
            rows.append(("", f"{count(self.completions)} completions", f"at most {count(self.most_tokens)} tokens"))
        return rows


def arithmetic(situation: Situation, train_prompts: int | None = None) -> Arithmetic | None:
    """Work the numbers out.

    Args:
        situation: the configuration on its machine.
        train_prompts: how many prompts there are, where they have been counted.

    Returns:
        The numbers; None where the sizes do not go together.
    """
    if not situation.sizes_valid:
        return None
    plan = situation.batch
    if plan.generation_batch_size % plan.num_generations:
        return None
    rows = situation.rows
    prompts = train_prompts if train_prompts is not None else (rows.train if rows else None)
    completions = plan.per_device_train_batch_size * plan.world_size * plan.gradient_accumulation_steps
    most = situation.value("max_steps")
    per_epoch = plan.optimizer_steps(prompts, 1) if prompts is not None else None
    total = most if most > 0 else None
    if total is None and prompts is not None:
        total = plan.optimizer_steps(prompts, situation.value("num_train_epochs"))
    if per_epoch == 0:
        total = 0
    feeds = plan.steps_per_generation * plan.num_iterations
    generations = math.ceil(total * plan.gradient_accumulation_steps / feeds) if total is not None else None
    made = generations * plan.generation_batch_size if generations is not None else None
    longest = situation.value("max_completion_length")
    return Arithmetic(
        world_size=plan.world_size,
        kind=situation.kind,
        group=plan.num_generations,
        per_device=plan.per_device_train_batch_size,
        accumulation=plan.gradient_accumulation_steps,
        completions_per_step=completions,
        prompts_per_step=completions / plan.num_generations,
        generation_batch=plan.generation_batch_size,
        prompts_per_generation=plan.prompts_per_generation,
        steps_per_generation=plan.steps_per_generation,
        iterations=plan.num_iterations,
        train_prompts=prompts,
        test_prompts=rows.test if rows else None,
        generations_per_epoch=prompts // plan.prompts_per_generation if prompts is not None else None,
        steps_per_epoch=per_epoch,
        total_steps=total,
        epochs=total / per_epoch if total and per_epoch else None,
        generations=generations,
        completions=made,
        most_tokens=made * longest if made is not None and longest else None,
    )


def total_steps(config: dict[str, Any], hardware: Hardware) -> int | None:
    """Optimizer steps of a run on a machine; None where that cannot be told without loading the data."""
    numbers = arithmetic(situation_of(config, hardware))
    return numbers.total_steps if numbers else None
