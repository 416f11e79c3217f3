"""How completions are drawn: filters that bias log-probabilities, groups of one and the same answer, lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.situation import Situation

_BIAS = (
    "The trainer computes log-probabilities over the whole vocabulary, so with a filter the policy that is trained is "
    "not the one that was sampled from, and the importance ratios are wrong (trl issue 6789)."
)


def valid(situation: Situation) -> Iterator[Finding]:
    """Values that generation refuses, or that divide by zero."""
    temperature, top_p, top_k = (situation.value(key) for key in ("temperature", "top_p", "top_k"))
    if temperature <= 0:
        yield Finding(
            "sampling.temperature",
            ERROR,
            "training.temperature",
            f"training.temperature={temperature} must be above 0",
            "Completions have to be sampled: without differences within a group there is no advantage. (Held-out "
            "evaluation has a temperature of its own, and is greedy.)",
            ("training.temperature=1.0", "training.temperature=0.7"),
        )
    if not 0 < top_p <= 1:
        yield _outside("top_p", top_p, "above 0 and at most 1", "1.0")
    if top_k is not None and top_k < 0:
        yield _outside("top_k", top_k, "0 (all tokens) or more", "0")
    min_p = situation.value("min_p")
    if min_p is not None and not 0 <= min_p <= 1:
        yield _outside("min_p", min_p, "between 0 and 1", "null")
    penalty = situation.value("repetition_penalty")
    if penalty <= 0:
        yield _outside("repetition_penalty", penalty, "above 0", "1.0")


def _outside(key: str, value: Any, allowed: str, fix: str) -> Finding:
    return Finding(
        f"sampling.{key}_range",
        ERROR,
        f"training.{key}",
        f"training.{key}={value} must be {allowed}",
        "Generation refuses it at step 1.",
        (f"training.{key}={fix}",),
    )


def filters(situation: Situation) -> Iterator[Finding]:
    """Sampling filters and penalties."""
    neutral = {"top_p": (1.0, "1.0"), "top_k": (0, "0"), "min_p": (None, "null"), "repetition_penalty": (1.0, "1.0")}
    for key, (none, fix) in neutral.items():
        value = situation.value(key)
        if value != none and not (key in ("min_p", "top_k") and not value) and _valid(key, value):
            yield Finding(
                "sampling.filter",
                WARNING,
                f"training.{key}",
                f"training.{key}={value} samples from another distribution than the one that is trained",
                _BIAS,
                (f"training.{key}={fix}",),
            )


def _valid(key: str, value: Any) -> bool:
    return value > 0 and (key in ("top_k", "repetition_penalty") or value <= 1)


def generation_kwargs(situation: Situation) -> Iterator[Finding]:
    """Arguments of generation that override what training relies on."""
    given = situation.value("generation_kwargs")
    if not isinstance(given, dict):
        return
    if given.get("do_sample") is False:
        yield Finding(
            "sampling.greedy",
            ERROR,
            "training.generation_kwargs",
            "training.generation_kwargs.do_sample=false gives a group the same completion over and over",
            "Every advantage is then zero and nothing is learned.",
            ("training.generation_kwargs.do_sample=true", "training.generation_kwargs=null"),
        )
    elsewhere = {"max_new_tokens": "max_completion_length", "max_tokens": "max_completion_length"}
    elsewhere |= {key: key for key in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")}
    for key, field in elsewhere.items():
        if key in given and given[key] != situation.value(field):
            yield Finding(
                "sampling.overridden",
                WARNING,
                f"training.generation_kwargs.{key}",
                f"training.generation_kwargs.{key}={given[key]} overrides training.{field}={situation.value(field)}",
                "The loss and the checks go by the training key, generation by the other.",
                (f"training.{field}={given[key]} training.generation_kwargs=null", "training.generation_kwargs=null"),
            )


def completion_length(situation: Situation) -> Iterator[Finding]:
    """Completions against the model's context."""
    longest, shape = situation.value("max_completion_length"), situation.architecture
    if longest is not None and longest < 1:
        yield Finding(
            "sampling.completion_length",
            ERROR,
            "training.max_completion_length",
            f"training.max_completion_length={longest} must be at least 1",
            "There would be nothing to score.",
            ("training.max_completion_length=512",),
        )
    elif longest and shape and shape.context and longest >= shape.context:
        yield Finding(
            "sampling.context",
            ERROR,
            "training.max_completion_length",
            f"training.max_completion_length={longest} leaves no room for a prompt in the model's context of "
            f"{shape.context} tokens",
            "Generation runs past the last position: an error in the middle of the run, or gibberish.",
            (f"training.max_completion_length={shape.context // 2}",),
        )
    elif longest and shape and shape.context and longest > 0.9 * shape.context:
        yield Finding(
            "sampling.context_tight",
            NOTE,
            "training.max_completion_length",
            f"training.max_completion_length={longest} leaves {shape.context - longest} tokens of the model's context "
            f"of {shape.context} for the prompt",
            "grpo-check data=true measures the prompts.",
            (f"training.max_completion_length={shape.context // 2}",),
        )
    held_out = situation.config["evaluation"].get("max_completion_length")
    if held_out and shape and shape.context and held_out >= shape.context:
        yield Finding(
            "sampling.evaluation_context",
            ERROR,
            "evaluation.max_completion_length",
            f"evaluation.max_completion_length={held_out} leaves no room for a prompt in the model's context of "
            f"{shape.context} tokens",
            "The evaluation would run past the last position.",
            ("evaluation.max_completion_length=null",),
        )


RULES = (valid, filters, generation_kwargs, completion_length)
