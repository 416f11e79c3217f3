"""Why sampled and trained log-probabilities differ, in words, from the settings of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "top_p": (1.0, None),
    "top_k": (0, None),
    "min_p": (0.0, None),
    "repetition_penalty": (1.0, None),
}
# Arguments of generation that override TRL's own, and so are not in the log-probabilities of the loss.
_OVERRIDES = ("temperature", *_NEUTRAL)


def warning(mean: float, tolerance: float, *, filtered: float, config: Mapping[str, Any], attention: str) -> str:
    """The sentence for a run whose sampled log-probabilities have drifted from the trained ones.

    Args:
        mean: mean difference in nats a token.
        tolerance: `rollout.mismatch_tolerance`.
        filtered: how much of it the sampling filters make, as measured.
        config: the configuration, every `auto` settled.
        attention: the attention implementation of the model that trains.

    Returns:
        What was measured, the likely causes, the likeliest first, and what to write.
    """
    causes = (filter_causes(config) if filtered > 0.5 * mean else []) or engine_causes(config, attention)
    named = "; ".join(causes) if causes else "no setting of this run explains it"
    return (
        f"Sampled and trained log-probabilities differ by {mean:.3g} nats a token (rollout.mismatch_tolerance="
        f"{tolerance:g}): the policy that is trained is not quite the one that generated. Likely: {named}."
    )


def likely(config: Mapping[str, Any], attention: str) -> list[str]:
    """Every setting that may be the cause, the likeliest first: for where nobody has measured which it is.

    Args:
        config: the configuration, every `auto` settled.
        attention: the attention implementation of the model that trains.
    """
    return [*filter_causes(config), *engine_causes(config, attention)]


def filter_causes(config: Mapping[str, Any]) -> list[str]:
    """Settings that draw from another distribution than the whole vocabulary's, which the loss takes."""
    training = config["training"]
    found = []
    for key, neutral in _NEUTRAL.items():
        value = training.get(key)
        if value not in neutral:
            plain = {"top_p": "1.0", "top_k": "0", "min_p": "null", "repetition_penalty": "1.0"}[key]
            found.append(f"training.{key}={value} filters what is drawn, write training.{key}={plain}")
    overrides = training.get("generation_kwargs") or {}
    found += [
        f"training.generation_kwargs.{key} overrides what the loss assumes, write training.{key} instead"
        for key in _OVERRIDES
        if key in overrides and overrides[key] != training.get(key)
    ]
    return found


def engine_causes(config: Mapping[str, Any], attention: str) -> list[str]:
    """What makes two forward passes over the same tokens differ: precision, kernels, quantization, stale weights."""
    training, peft = config["training"], config["peft"]
    found = []
    if peft["method"] == "qlora":
        found.append(f"peft.bits={peft['bits']} quantizes the base model, which the engine may do differently")
    if peft["method"] != "none" and peft["lora_dropout"]:
        found.append(f"peft.lora_dropout={peft['lora_dropout']} is drawn anew in each forward pass, write 0.0")
    half = next((key for key in ("bf16", "fp16") if training.get(key) is True), None)
    if half:
        found.append(f"training.{half}=true rounds each step of both passes, write training.{half}=false to compare")
    if training.get("use_vllm") is True:
        found.append("vLLM's kernels and dtype are its own, and its weights are refreshed once a step")
    if attention.startswith("flash"):
        found.append(f"model.attn_implementation={attention} pads differently in the two passes, try sdpa")
    return found
