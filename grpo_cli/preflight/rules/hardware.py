"""What the machine cannot do: GPUs that are not there, precision it lacks, keys that need other hardware."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, WARNING, Finding, from_sentence
from grpo_cli.preflight.hardware import hardware_problems
from grpo_cli.preflight.situation import Situation


def launch(situation: Situation) -> Iterator[Finding]:
    """GPUs and processes asked for against those there are."""
    for sentence in situation.refused:
        why = "The launch would fail, or wait for ranks that never come."
        if " needs a GPU and " in sentence:
            why += " dry_run=true checks for a machine with launch.num_processes GPUs."
        yield from_sentence("hardware.launch", sentence, why=why)


def cpu_only(situation: Situation) -> Iterator[Finding]:
    """Settings that need a GPU, in a run on the CPU."""
    for sentence in hardware_problems(situation.config, situation.on_cpu):
        yield from_sentence("hardware.needs_gpu", sentence, why="TRL or transformers would refuse it after loading.")


def bfloat16(situation: Situation) -> Iterator[Finding]:
    """bfloat16 and flash attention on a GPU that is older than Ampere."""
    if not situation.old_gpu:
        return
    if situation.training.get("bf16") is True:
        yield Finding(
            "hardware.bf16",
            ERROR,
            "training.bf16",
            f"training.bf16=true: {situation.old_gpu} does not compute in bfloat16",
            "Ampere was the first generation that does; emulated, it is slower than float32.",
            ("training.bf16=auto", "training.bf16=false training.fp16=true"),
        )
    attention = str(situation.config["model"]["attn_implementation"])
    if attention.startswith("flash_attention"):
        yield Finding(
            "hardware.flash_attention",
            ERROR,
            "model.attn_implementation",
            f"model.attn_implementation={attention}: {situation.old_gpu} is older than the kernels support",
            "They need Ampere or newer.",
            ("model.attn_implementation=sdpa",),
        )


def tf32(situation: Situation) -> Iterator[Finding]:
    """TF32 where there is none (`TrainingArguments.__post_init__` raises)."""
    if situation.training.get("tf32") is True and (situation.on_cpu or situation.old_gpu):
        where = "this run is on the CPU" if situation.on_cpu else f"{situation.old_gpu} has none"
        yield Finding(
            "hardware.tf32",
            ERROR,
            "training.tf32",
            f"training.tf32=true needs an Ampere or newer GPU, and {where}",
            "transformers refuses it in the worker.",
            ("training.tf32=null",),
        )


def full_eval_precision(situation: Situation) -> Iterator[Finding]:
    """bf16_full_eval and fp16_full_eval, which contradict each other and need hardware too."""
    training = situation.training
    if training.get("bf16_full_eval") is True and training.get("fp16_full_eval") is True:
        yield Finding(
            "hardware.full_eval",
            ERROR,
            "training.bf16_full_eval",
            "training.bf16_full_eval and training.fp16_full_eval are both true",
            "transformers refuses the two together.",
            ("training.fp16_full_eval=false", "training.bf16_full_eval=false"),
        )


def half_weights(situation: Situation) -> Iterator[Finding]:
    """Trained weights in 16 bits, which small learning rates do not move."""
    dtype, method = str(situation.config["model"]["dtype"]), situation.config["peft"]["method"]
    if method != "none" or dtype not in ("float16", "bfloat16", "torch.float16", "torch.bfloat16"):
        return
    if dtype.endswith("bfloat16"):
        yield Finding(
            "hardware.bf16_weights",
            WARNING,
            "model.dtype",
            f"model.dtype={dtype} trains the weights themselves in 16 bits",
            "bfloat16 keeps 8 bits of a weight: an update below about a 250th of it is rounded away, and GRPO's "
            "learning rates are smaller than that. auto keeps float32 weights and computes in bfloat16.",
            ("model.dtype=auto", "peft=lora"),
        )
        return
    yield Finding(
        "hardware.fp16_weights",
        ERROR,
        "model.dtype",
        f"model.dtype={dtype} trains the weights themselves in float16",
        "The gradient scaler of fp16 training refuses float16 gradients, and without it they underflow.",
        ("model.dtype=auto", "model.dtype=float32"),
    )


RULES = (launch, cpu_only, bfloat16, tf32, full_eval_precision, half_weights)
