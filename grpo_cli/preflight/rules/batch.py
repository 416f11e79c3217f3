"""The arithmetic of batches against groups, as `GRPOConfig.__post_init__` checks it at the launch's world size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from grpo_cli.config.schema import training_default
from grpo_cli.preflight.batch import batch_problems
from grpo_cli.preflight.finding import ERROR, NOTE, Finding, from_sentence
from grpo_cli.preflight.show import process
from grpo_cli.preflight.situation import Situation

_WHY = (
    "A generation batch holds whole groups: an advantage is a completion's reward against the other completions of its "
    "prompt. TRL would refuse it in the worker."
)


def groups(situation: Situation) -> Iterator[Finding]:
    """Group size against the generation batch."""
    for sentence in batch_problems(situation.training, situation.world_size, training_default):
        found = from_sentence("batch.groups", sentence, why=_WHY)
        if "same thing twice" in sentence:
            both = ("training.steps_per_generation=null", "training.generation_batch_size=null")
            found = replace(found, code="batch.said_twice", fixes=both, why="TRL refuses the two together.")
        elif "does not divide" in sentence:
            found = replace(found, fixes=tuple(dict.fromkeys([*found.fixes, *_alternatives(situation)])))
        yield found


def _alternatives(situation: Situation) -> Iterator[str]:
    """Further ways to whole groups: the next larger group, more accumulation."""
    plan = situation.batch
    size, group = plan.generation_batch_size, plan.num_generations
    if larger := next((g for g in range(group + 1, size + 1) if size % g == 0), None):
        yield f"training.num_generations={larger}"
    if not any(situation.training.get(key) for key in ("steps_per_generation", "generation_batch_size")):
        step = group // math.gcd(group, plan.per_device_train_batch_size * plan.world_size)
        yield f"training.gradient_accumulation_steps={math.ceil(plan.gradient_accumulation_steps / step) * step}"


def evaluation_batch(situation: Situation) -> Iterator[Finding]:
    """Group size against TRL's evaluation batch, where TRL evaluates."""
    if situation.value("eval_strategy") == "no" or not situation.sizes_valid:
        return
    size, world = situation.value("per_device_eval_batch_size"), situation.world_size
    group = situation.value("num_generations_eval") or situation.value("num_generations")
    if size < 1 or group < 1 or (size * world) % group == 0:
        return
    step = group // math.gcd(group, world)
    nearest = max(step, round(size / step) * step)
    divisors = [g for g in range(1, size * world + 1) if size * world % g == 0]
    fewer = min(divisors, key=lambda g: (abs(g - group), g))
    yield Finding(
        "batch.evaluation",
        ERROR,
        "training.per_device_eval_batch_size",
        f"training.per_device_eval_batch_size={size}: the evaluation batch of {size * world} ({size} × "
        f"{process(world)}) does not hold whole groups of {group}",
        "TRL evaluates in groups as it trains, and refuses it in the worker. evaluation.every is this program's own "
        "evaluation, without groups.",
        (
            f"training.per_device_eval_batch_size={nearest}",
            f"training.num_generations_eval={fewer}",
            "training.eval_strategy=no",
        ),
    )


def steps_across_generations(situation: Situation) -> Iterator[Finding]:
    """Optimizer steps that mix completions of two generations."""
    if not situation.sizes_valid:
        return
    plan = situation.batch
    every, accumulation = plan.steps_per_generation * plan.num_iterations, plan.gradient_accumulation_steps
    if every >= 1 and every % accumulation and accumulation % every:
        nearest = max(accumulation, round(every / accumulation) * accumulation)
        yield Finding(
            "batch.straddling",
            NOTE,
            "training.steps_per_generation",
            f"completions are generated every {every} micro-batches and the optimizer steps every {accumulation}",
            "Some optimizer steps mix completions of two policies.",
            (f"training.steps_per_generation={nearest}", f"training.gradient_accumulation_steps={every}"),
        )


RULES = (groups, evaluation_batch, steps_across_generations)
