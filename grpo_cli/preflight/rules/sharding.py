"""What does not go together with sharding: TRL's own switches for it, and what needs whole or unpacked weights."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, Finding
from grpo_cli.preflight.situation import Situation


def _sharding(situation: Situation) -> str:
    return str(situation.config["launch"].get("sharding") or "none")


def set_twice(situation: Situation) -> Iterator[Finding]:
    """`training.fsdp` or `training.deepspeed`, beside which `launch` says the same or another thing."""
    training, launch = situation.training, situation.config["launch"]
    ours = next((key for key in ("sharding", "accelerate_config") if launch.get(key) not in (None, "none")), None)
    for key, others in (("fsdp", "launch=fsdp2"), ("deepspeed", "launch=deepspeed_zero2")):
        if training.get(key) and ours:
            yield Finding(
                "sharding.set_twice",
                ERROR,
                f"training.{key}",
                f"training.{key} and launch.{ours}={launch[ours]} both say how the model is sharded",
                f"{others} is this program's way, and writes what it does into the run folder.",
                (f"training.{key}=null",),
            )


def quantised(situation: Situation) -> Iterator[Finding]:
    """4- or 8-bit weights under FSDP2, which cannot cut them into parts."""
    if _sharding(situation) == "fsdp2" and situation.config["peft"]["method"] == "qlora":
        yield Finding(
            "sharding.qlora",
            ERROR,
            "launch.sharding",
            "peft=qlora and launch.sharding=fsdp2: weights packed into bytes cannot be sharded",
            "accelerate leaves them out of the sharding, so that every GPU holds all of them.",
            ("launch.sharding=none", "peft=lora"),
        )


def reference_unloaded(situation: Situation) -> Iterator[Finding]:
    """Weights loaded in one process only, and a reference model that TRL loads without sending them on."""
    fsdp = situation.config["launch"].get("fsdp") or {}
    if _sharding(situation) != "fsdp2" or not fsdp.get("cpu_ram_efficient_loading"):
        return
    if situation.value("beta") and situation.config["peft"]["method"] == "none":
        yield Finding(
            "sharding.reference",
            ERROR,
            "launch.fsdp.cpu_ram_efficient_loading",
            "launch.fsdp.cpu_ram_efficient_loading=true loads weights in one process, and TRL does not send those of "
            "the reference model (training.beta above 0) to the others",
            "The KL penalty would be measured against weights that were never loaded.",
            ("launch.fsdp.cpu_ram_efficient_loading=false", "training.beta=0.0"),
        )


def checkpointing_twice(situation: Situation) -> Iterator[Finding]:
    """Activations recomputed by the model and by FSDP around it."""
    fsdp = situation.config["launch"].get("fsdp") or {}
    both = fsdp.get("activation_checkpointing") and situation.value("gradient_checkpointing")
    if _sharding(situation) == "fsdp2" and both:
        yield Finding(
            "sharding.checkpointing",
            ERROR,
            "launch.fsdp.activation_checkpointing",
            "launch.fsdp.activation_checkpointing and training.gradient_checkpointing are both true",
            "Every layer would be computed three times instead of twice.",
            ("training.gradient_checkpointing=false", "launch.fsdp.activation_checkpointing=false"),
        )


def continuous_batching(situation: Situation) -> Iterator[Finding]:
    """TRL's continuous batching, which casts the model's weights in place."""
    sharding = _sharding(situation)
    if sharding in ("fsdp2", "zero3") and situation.training.get("use_transformers_continuous_batching"):
        yield Finding(
            "sharding.continuous_batching",
            ERROR,
            "training.use_transformers_continuous_batching",
            f"rollout=continuous_batching casts the weights in place, which launch.sharding={sharding} does not allow",
            "The weights a rank holds are parts of tensors.",
            ("training.use_transformers_continuous_batching=false", "launch.sharding=none"),
        )


RULES = (set_twice, quantised, reference_unloaded, checkpointing_twice, continuous_batching)
