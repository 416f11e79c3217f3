"""How completions are drawn: filters that bias log-probabilities, groups of one and the same answer, lengths."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.situation import Situation

_BIAS = (
    "The trainer computes log-probabilities over the whole vocabulary, so with a filter the policy that is trained is "
    "not the one that was sampled from, and the importance ratios are wrong (trl issue 6789)."
)


def filters(situation: Situation) -> Iterator[Finding]:
    """Sampling filters and penalties."""
    neutral = {"top_p": (1.0, "1.0"), "top_k": (0, "0"), "min_p": (None, "null"), "repetition_penalty": (1.0, "1.0")}
    for key, (none, fix) in neutral.items():
        value = situation.value(key)
        if value != none and not (key in ("min_p", "top_k") and not value):
            yield Finding(
                "sampling.filter",
                WARNING,
                f"training.{key}",
                f"training.{key}={value} samples from another distribution than the one that is trained",
                _BIAS,
                (f"training.{key}={fix}",),
            )


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
    if longest and shape and shape.context and longest >= shape.context:
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


RULES = (filters, generation_kwargs, completion_length)
