"""A reward for length: the simplest there is, and so the first to try a setup with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal


def measure_length(completion: str, unit: str = "characters", completion_ids: Sequence[int] | None = None) -> int:
    """The length of a completion in characters, words (separated by blanks) or the model's own tokens.

    Raises:
        ValueError: the unit is unknown, or `tokens` is asked for without token ids.

    Example:
        >>> measure_length("two words"), measure_length("two words", "words")
        (9, 2)
    """
    if unit == "characters":
        return len(completion)
    if unit == "words":
        return len(completion.split())
    if unit != "tokens":
        raise ValueError(f"unit must be characters, words or tokens, not {unit!r}")
    if completion_ids is None:
        raise ValueError("unit: tokens needs the completion's token ids; without a model use words")
    return len(completion_ids)


def length(
    completion: str,
    *,
    unit: Literal["characters", "words", "tokens"] = "characters",
    target_length: int | None = None,
    scale: float = 1.0,
    completion_ids: Sequence[int] | None = None,
) -> float:
    """The length of the completion, or how near it comes to a wanted one.

    Args:
        completion: the text of one completion.
        unit: what is counted; tokens are the model's, its end-of-text token included.
        target_length: when given, the reward is minus the distance to it, so 0 is the best.
        scale: the reward is divided by it, to bring it to the size of other rewards.
        completion_ids: the completion's token ids, for `tokens`.

    Returns:
        `length / scale`, or `-|length - target_length| / scale`.

    Raises:
        ValueError: unknown unit, a scale that is not positive, a negative target length.

    Example:
        >>> length("four"), length("four", target_length=20), length("four", target_length=20, scale=20)
        (4.0, -16.0, -0.8)
    """
    if scale <= 0:
        raise ValueError(f"scale must be positive, not {scale}")
    if target_length is not None and target_length < 0:
        raise ValueError(f"target_length must be 0 or more, not {target_length}")
    measured = measure_length(completion, unit, completion_ids)
    return float(measured if target_length is None else -abs(measured - target_length)) / scale
