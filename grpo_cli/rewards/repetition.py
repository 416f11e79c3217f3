"""A penalty for repeating oneself, the usual way in which a length reward is hacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal


def repetition(
    completion: str,
    *,
    unit: Literal["words", "tokens"] = "tokens",
    ngram_size: int = 3,
    max_penalty: float = -1.0,
    completion_ids: Sequence[int] | None = None,
) -> float:
    r"""The share of n-grams that repeat an earlier one, times the (negative) largest penalty.

    .. math:: R(y) = \left(1 - \frac{\#\text{distinct } n\text{-grams}}{\#n\text{-grams}}\right) p

    from "Demystifying Long Chain-of-Thought Reasoning in LLMs", arXiv 2502.03373, appendix C.2.

    Args:
        completion: the text of one completion.
        unit: n-grams of the model's tokens (as in the paper) or of words (case ignored).
        ngram_size: n.
        max_penalty: the reward that pure repetition comes near to, 0 or less.
        completion_ids: the completion's token ids, for `tokens`.

    Returns:
        From `max_penalty` to 0.0; 0.0 when nothing repeats, and when the completion is shorter than an
        n-gram. So it only ever takes away: use it beside a reward that gives.

    Raises:
        ValueError: unknown unit, `ngram_size` below 1, `max_penalty` above 0, tokens without token ids.

    Example:
        >>> repetition("ha ha ha", unit="words", ngram_size=2)
        -0.5
        >>> repetition("", completion_ids=[5, 5, 5, 5, 5], ngram_size=2)
        -0.75
    """
    if ngram_size < 1:
        raise ValueError(f"ngram_size must be 1 or more, not {ngram_size}")
    if max_penalty > 0:
        raise ValueError(f"max_penalty must be 0 or less, not {max_penalty}")
    items: Sequence[Any]
    if unit == "words":
        items = completion.casefold().split()
    elif unit != "tokens":
        raise ValueError(f"unit must be words or tokens, not {unit!r}")
    elif completion_ids is None:
        raise ValueError("unit: tokens needs the completion's token ids; without a model use words")
    else:
        items = completion_ids
    ngrams = list(zip(*(items[start:] for start in range(ngram_size)), strict=False))
    repeated = 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
    return repeated * max_penalty if repeated else 0.0
