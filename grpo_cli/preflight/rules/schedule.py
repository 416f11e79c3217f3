"""Learning rate, warm-up, sharding: settings under which nothing, or nothing good, is learned."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.situation import Situation

_HIGH_RATE = 1e-2


def learning_rate(situation: Situation) -> Iterator[Finding]:
    """Rates that move nothing, or break everything."""
    rate = situation.value("learning_rate")
    if rate == 0:
        yield Finding(
            "schedule.no_rate",
            ERROR,
            "training.learning_rate",
            "training.learning_rate=0 trains nothing",
            "Weights stay as they are, and the run reports success.",
            ("training.learning_rate=1e-6",),
        )
    elif rate >= _HIGH_RATE:
        yield Finding(
            "schedule.high_rate",
            WARNING,
            "training.learning_rate",
            f"training.learning_rate={rate:g} is beyond what any model withstands under AdamW",
            "The usual range is 1e-6 to 1e-5 for billions of parameters, 1e-5 to 1e-4 for LoRA, 1e-4 to 1e-3 for "
            "models of some million.",
            ("training.learning_rate=1e-6", "training.learning_rate=1e-4"),
        )
    elif situation.config["peft"]["method"] != "none" and rate < 5e-6:
        yield Finding(
            "schedule.adapter_rate",
            NOTE,
            "training.learning_rate",
            f"training.learning_rate={rate:g} is low for an adapter",
            "LoRA wants about ten times the rate of full training.",
            ("training.learning_rate=1e-5",),
        )


def warmup(situation: Situation) -> Iterator[Finding]:
    """A warm-up that outlasts the run."""
    steps, warmup = situation.value("max_steps"), situation.value("warmup_steps")
    if steps > 0 and warmup >= steps and warmup >= 1:
        yield Finding(
            "schedule.warmup_long",
            NOTE,
            "training.warmup_steps",
            f"training.warmup_steps={warmup} of training.max_steps={steps}: the learning rate never arrives",
            "Training ends while the rate still rises.",
            (f"training.warmup_steps={max(0, steps // 10)}",),
        )


def checkpointing_kwargs(situation: Situation) -> Iterator[Finding]:
    """Arguments for gradient checkpointing that is off."""
    if situation.value("gradient_checkpointing_kwargs") and not situation.value("gradient_checkpointing"):
        yield Finding(
            "schedule.checkpointing_kwargs",
            WARNING,
            "training.gradient_checkpointing_kwargs",
            "training.gradient_checkpointing_kwargs is set and training.gradient_checkpointing is false",
            "The arguments have no effect, and memory is not saved.",
            ("training.gradient_checkpointing=true", "training.gradient_checkpointing_kwargs=null"),
        )


def fused_liger(situation: Situation) -> Iterator[Finding]:
    """A fused loss that TRL replaces by its own."""
    given = situation.value("liger_kernel_config")
    if situation.value("use_liger_kernel") and isinstance(given, dict) and given.get("fused_linear_cross_entropy"):
        yield Finding(
            "schedule.liger_loss",
            ERROR,
            "training.liger_kernel_config",
            "training.liger_kernel_config.fused_linear_cross_entropy=true is not for GRPO",
            "It replaces the model's forward pass, which TRL patches with its own; TRL refuses it.",
            ("training.liger_kernel_config=null",),
        )


def sharding(situation: Situation) -> Iterator[Finding]:
    """Two ways of sharding at once."""
    if situation.training.get("fsdp") and situation.training.get("deepspeed"):
        yield Finding(
            "schedule.sharding",
            ERROR,
            "training.fsdp",
            "training.fsdp and training.deepspeed both shard the model",
            "A run takes one of them.",
            ("training.fsdp=null", "training.deepspeed=null"),
        )


RULES = (learning_rate, warmup, checkpointing_kwargs, fused_liger, sharding)
