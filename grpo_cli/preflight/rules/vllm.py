"""vLLM's keys: against each other, against the world size, and set where vLLM is not used."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.config.fields import show
from grpo_cli.config.schema import training_default
from grpo_cli.preflight.finding import ERROR, WARNING, Finding
from grpo_cli.preflight.situation import Situation

# What configures an engine or its server; the correction's keys are part of presets and harmless without vLLM.
_ENGINE = (
    *("vllm_gpu_memory_utilization", "vllm_tensor_parallel_size", "vllm_enable_sleep_mode", "vllm_max_model_length"),
    *("vllm_structured_outputs_regex", "vllm_model_impl", "vllm_server_base_url", "vllm_group_port"),
    *("vllm_server_host", "vllm_server_port", "vllm_server_timeout"),
)


def without_vllm(situation: Situation) -> Iterator[Finding]:
    """Keys of the engine in a run that does not use it."""
    if situation.value("use_vllm"):
        return
    idle = [key for key in _ENGINE if situation.is_set(key)]
    if idle:
        listed = ", ".join(f"training.{key}" for key in idle)
        unset = " ".join(f"training.{key}={show(training_default(key))}" for key in idle)
        yield Finding(
            "vllm.unused_keys",
            WARNING,
            f"training.{idle[0]}",
            f"{listed} set vLLM, which this run does not use",
            "They have no effect; a regular expression for outputs, for one, is then not enforced.",
            (unset, "rollout=vllm_colocate") if situation.gpus else (unset,),
        )


def tensor_parallel(situation: Situation) -> Iterator[Finding]:
    """Tensor parallelism against the world size (`VLLMGeneration` raises)."""
    if not situation.value("use_vllm") or situation.value("vllm_mode") != "colocate":
        return
    size, world = situation.value("vllm_tensor_parallel_size"), situation.world_size
    if size >= 1 and world % size == 0:
        return
    divisors = [n for n in range(1, world + 1) if world % n == 0]
    nearest = min(divisors, key=lambda n: (abs(n - size), n))
    yield Finding(
        "vllm.tensor_parallel",
        ERROR,
        "training.vllm_tensor_parallel_size",
        f"training.vllm_tensor_parallel_size={size} does not divide the {world} processes of the launch",
        "Each group of that many processes holds one engine; TRL refuses an incomplete group after loading the model.",
        (f"training.vllm_tensor_parallel_size={nearest}",),
    )


def memory_share(situation: Situation) -> Iterator[Finding]:
    """The share of the GPU a colocated engine takes."""
    if not situation.value("use_vllm") or situation.value("vllm_mode") != "colocate":
        return
    share = situation.value("vllm_gpu_memory_utilization")
    if share > 0.6 and not situation.value("vllm_enable_sleep_mode"):
        yield Finding(
            "vllm.memory_share",
            WARNING,
            "training.vllm_gpu_memory_utilization",
            f"training.vllm_gpu_memory_utilization={share} leaves {1 - share:.0%} of the GPU for training",
            "A colocated engine keeps its share through the backward pass, unless it sleeps.",
            ("training.vllm_gpu_memory_utilization=0.3", "training.vllm_enable_sleep_mode=true"),
        )


def model_length(situation: Situation) -> Iterator[Finding]:
    """The engine's length against the completion's."""
    length, completion = situation.value("vllm_max_model_length"), situation.value("max_completion_length")
    if situation.value("use_vllm") and length and completion and length <= completion:
        yield Finding(
            "vllm.model_length",
            ERROR,
            "training.vllm_max_model_length",
            f"training.vllm_max_model_length={length} leaves no room for a prompt beside completions of {completion}",
            "It counts prompt and completion together.",
            ("training.vllm_max_model_length=null", f"training.max_completion_length={max(1, length // 2)}"),
        )


def correction(situation: Situation) -> Iterator[Finding]:
    """The bounds of the importance-sampling correction (`GRPOConfig.__post_init__` raises)."""
    low, high = (situation.value(f"vllm_importance_sampling_clip_{end}") for end in ("min", "max"))
    cap = situation.value("vllm_importance_sampling_cap")
    high = cap if cap is not None else high
    if low is not None and high is not None and low >= high:
        yield Finding(
            "vllm.correction_bounds",
            ERROR,
            "training.vllm_importance_sampling_clip_min",
            f"training.vllm_importance_sampling_clip_min={low} must be less than "
            f"training.vllm_importance_sampling_clip_max={high}",
            "TRL refuses it, with and without vLLM.",
            ("training.vllm_importance_sampling_clip_min=null",),
        )
    mode = situation.value("vllm_importance_sampling_mode")
    corrected = situation.value("vllm_importance_sampling_correction")
    if situation.value("loss_type") == "vespo" and situation.value("use_vllm") and corrected and "sequence" in mode:
        yield Finding(
            "vllm.vespo_mode",
            ERROR,
            "training.vllm_importance_sampling_mode",
            f"training.loss_type=vespo does not go with training.vllm_importance_sampling_mode={mode}",
            "VESPO forms sequence weights itself and corrects token by token; TRL refuses it after loading the model.",
            (
                "training.vllm_importance_sampling_mode=token_truncate",
                "training.vllm_importance_sampling_mode=token_mask",
            ),
        )


RULES = (without_vllm, tensor_parallel, memory_share, model_length, correction)
