"""Requests for completions, put into blocks that do not depend on how many processes share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo_cli.evaluation.noise import row_key


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        temperature: 0 for the most likely token.
        top_p: candidates hold this share of the probability.
        top_k: candidates; 0 for all.
        samples: answers to each prompt.
        seed: of the noise.
        max_completion_length: tokens.
    """

    temperature: float
    top_p: float
    top_k: int
    samples: int
    seed: int
    max_completion_length: int

    @classmethod
    def of(cls, settings: Mapping[str, Any], longest: int) -> Sampling:
        """Read the `evaluation` section; `longest` is training's own limit."""
        return cls(
            temperature=float(settings["temperature"]),
            top_p=float(settings["top_p"]),
            top_k=int(settings["top_k"]),
            samples=int(settings["samples"]),
            seed=int(settings["seed"]),
            max_completion_length=int(settings["max_completion_length"] or longest),
        )


@dataclass(frozen=True)
class Request:
    """One completion to generate.

    Attributes:
        index: the prompt's place in its data set.
        sample: which answer to it, from 0.
        prompt: text or messages.
        ids: the prompt's tokens; empty where an endpoint has the tokenizer.
        key: the name of its noise.
    """

    index: int
    sample: int
    prompt: Any
    ids: list[int]
    key: int


@dataclass(frozen=True)
class Completion:
    """What came back: text, tokens (as many as `length`; none from an endpoint), whether it was cut off."""

    text: str
    ids: list[int]
    length: int
    truncated: bool


def make_requests(prompts: Sequence[Any], ids: Sequence[list[int]], sampling: Sampling) -> list[Request]:
    """Every prompt, `samples` times.

    Args:
        prompts: N prompts.
        ids: their tokens.
        sampling: how often, and the seed.
    """
    return [
        Request(i, sample, prompt, tokens, row_key(sampling.seed, tokens or [ord(c) for c in repr(prompt)], sample))
        for i, (prompt, tokens) in enumerate(zip(prompts, ids, strict=True))
        for sample in range(sampling.samples)
    ]


def into_blocks(requests: Sequence[Request], size: int) -> list[list[Request]]:
    """Put requests of like prompt length together.

    Blocks are the same whatever generates them, so that the shape of every matrix product is: a process takes whole
    blocks. Within one, prompts of equal length need no padding.

    Args:
        requests: any.
        size: `evaluation.batch_size`.

    Returns:
        Blocks of up to `size` requests, ordered by prompt length, then prompt and sample.
    """
    ordered = sorted(requests, key=lambda r: (len(r.ids), r.index, r.sample))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
