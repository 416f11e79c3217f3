"""The arithmetic of GRPO batches: prompts, completions and optimizer steps, at the world size of the launch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BatchPlan:
    """How TRL forms its batches (`GRPOConfig.__post_init__` and `RepeatSampler` of TRL 1.16).

    Attributes:
        per_device_train_batch_size: completions per process and micro-batch.
        world_size: processes.
        steps_per_generation: micro-batches that one generation feeds.
        gradient_accumulation_steps: micro-batches per optimizer step.
        num_generations: G, completions per prompt.
        num_iterations: how often each generation is used (mu in the paper).
    """

    per_device_train_batch_size: int
    world_size: int
    steps_per_generation: int
    gradient_accumulation_steps: int
    num_generations: int
    num_iterations: int = 1

    @classmethod
    def from_training(cls, training: Mapping[str, Any], world_size: int, default: Callable[[str], Any]) -> BatchPlan:
        """Read the plan out of a `training` section.

        Args:
            training: the keys that are set.
            world_size: processes that will be launched.
            default: TRL's default of a key that is not set.
        """

        def value(key: str) -> Any:
            return training[key] if training.get(key) is not None else default(key)

        per_device, accumulation = value("per_device_train_batch_size"), value("gradient_accumulation_steps")
        steps = value("steps_per_generation")
        if steps is None:
            generation_batch = value("generation_batch_size")
            steps = generation_batch // (per_device * world_size) if generation_batch else accumulation
        return cls(
            per_device_train_batch_size=per_device,
            world_size=world_size,
            steps_per_generation=steps,
            gradient_accumulation_steps=accumulation,
            num_generations=value("num_generations"),
            num_iterations=value("num_iterations"),
        )

    @property
    def generation_batch_size(self) -> int:
        """Completions that are generated at once, over all processes."""
        return self.per_device_train_batch_size * self.world_size * self.steps_per_generation

    @property
    def prompts_per_generation(self) -> int:
        """Different prompts in one generation batch."""
        return self.generation_batch_size // self.num_generations

    def optimizer_steps(self, prompts: int, epochs: float) -> int:
        """Optimizer steps that a number of prompts gives; a last generation batch that is not full is dropped."""
        generations = prompts // self.prompts_per_generation
        micro_batches = generations * self.num_iterations * self.steps_per_generation
        return math.ceil(epochs * math.ceil(micro_batches / self.gradient_accumulation_steps))


def batch_problems(training: Mapping[str, Any], world_size: int, default: Callable[[str], Any]) -> list[str]:
    """What TRL would refuse about the batch sizes, each with values that work.

    Args:
        training: the `training` section.
        world_size: processes that will be launched.
        default: TRL's default of a key that is not set.

    Returns:
        One sentence per problem; none when the sizes fit.
    """
    if training.get("generation_batch_size") and training.get("steps_per_generation"):
        return ["training.generation_batch_size and training.steps_per_generation say the same thing twice; keep one."]
    plan = BatchPlan.from_training(training, world_size, default)
    if plan.num_generations < 2:
        return [
            f"training.num_generations={plan.num_generations}: a group needs at least 2 completions, or every "
            "advantage is zero; write training.num_generations=8."
        ]
    micro_batch = plan.per_device_train_batch_size * world_size
    generation_batch = training.get("generation_batch_size")
    if generation_batch and generation_batch % micro_batch:
        nearest = max(micro_batch, round(generation_batch / micro_batch) * micro_batch)
        return [
            f"training.generation_batch_size={generation_batch} is not a multiple of the global batch of "
            f"{micro_batch} ({plan.per_device_train_batch_size} × {_processes(world_size)}); write "
            f"training.generation_batch_size={nearest}."
        ]
    if plan.generation_batch_size % plan.num_generations == 0:
        return []
    steps = f"{plan.steps_per_generation} step{'s' * (plan.steps_per_generation > 1)} per generation"
    parts = f"{plan.per_device_train_batch_size} per device × {_processes(world_size)} × {steps}"
    return [
        f"training.num_generations={plan.num_generations} does not divide the generation batch of "
        f"{plan.generation_batch_size} completions ({parts}); write {_advice(plan)}."
    ]


def _processes(number: int) -> str:
    return f"{number} process{'es' * (number > 1)}"


def _advice(plan: BatchPlan) -> str:
    """The nearest group size, and the nearest batch, that fit."""
    size = plan.generation_batch_size
    divisors = [g for g in range(2, size + 1) if size % g == 0]
    factor = plan.world_size * plan.steps_per_generation
    step = plan.num_generations // math.gcd(plan.num_generations, factor)
    batch = math.ceil(plan.per_device_train_batch_size / step) * step
    advice = f"training.per_device_train_batch_size={batch}"
    if divisors:
        nearest = min(divisors, key=lambda g: (abs(g - plan.num_generations), g))
        advice = f"training.num_generations={nearest} or {advice}"
    return advice
