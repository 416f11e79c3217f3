"""Rewards for length: as it is, near a target, within a budget, and DAPO's punishment of overlong completions."""

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


def length_budget(
    completion: str,
    budget: int | None,
    *,
    unit: Literal["tokens", "words", "characters"] = "tokens",
    slack: float = 0.5,
    completion_ids: Sequence[int] | None = None,
) -> float | None:
    """1.0 for a completion within its budget of length, falling to 0.0 beyond it.

    Args:
        completion: the text of one completion.
        budget: the length that is free, in `unit` (a data column, so that each row has its own, or a constant).
        unit: what is counted; tokens are the model's, its end-of-text token included.
        slack: the reward falls in a straight line to 0.0 at `budget * (1 + slack)`; 0 cuts it off at once.
        completion_ids: the completion's token ids, for `tokens`.

    Returns:
        0.0 to 1.0; 0.0 for an empty completion; None when the row has no budget.

    Raises:
        ValueError: a budget or slack below 0, unknown unit.

    Example:
        >>> [length_budget("word " * n, 10, unit="words") for n in (0, 10, 12, 15)]
        [0.0, 1.0, 0.6, 0.0]
    """
    if slack < 0:
        raise ValueError(f"slack must be 0 or more, not {slack}")
    measured = measure_length(completion, unit, completion_ids)
    if budget is None or str(budget).strip() in ("", "nan"):
        return None
    allowed = float(budget)
    if allowed < 0:
        raise ValueError(f"budget must be 0 or more, not {budget}")
    if not completion.strip():
        return 0.0
    if measured <= allowed:
        return 1.0
    return max(0.0, 1 - (measured - allowed) / (allowed * slack)) if allowed * slack > 0 else 0.0


def overlong(
    completion: str,
    *,
    max_length: int | None = None,
    cache_length: int | None = None,
    unit: Literal["tokens", "words", "characters"] = "tokens",
    completion_ids: Sequence[int] | None = None,
) -> float:
    r"""DAPO's soft overlong punishment: nothing, then a straight line down to -1.

    .. math:: R(y) = \begin{cases} 0 & |y| \le L - c \\ \frac{(L - c) - |y|}{c} & L - c < |y| \le L \\ -1 & L < |y|
        \end{cases}

    From "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", arXiv 2503.14476, equation 13; equal to
    TRL's `get_soft_overlong_punishment`.

    Args:
        completion: the text of one completion.
        max_length: L, in `unit`; usually `${training.max_completion_length}`.
        cache_length: c, the last stretch before L that is punished in part; None for a fifth of L, as in the paper.
        unit: what is counted; tokens are the model's.
        completion_ids: the completion's token ids, for `tokens`.

    Returns:
        From -1.0 to 0.0. It only ever takes away, so an empty completion gets the best value: use it beside a
        reward that gives.

    Raises:
        ValueError: `max_length` is not set or below 1, `cache_length` is not between 0 and it, unknown unit.

    Example:
        >>> [overlong("", max_length=100, cache_length=20, completion_ids=[1] * n) for n in (80, 90, 101)]
        [0.0, -0.5, -1.0]
    """
    longest = check_max_length("overlong", max_length)
    cache = longest // 5 if cache_length is None else cache_length
    if not 0 <= cache <= longest:
        raise ValueError(f"cache_length must be from 0 to max_length ({longest}), not {cache_length}")
    measured = measure_length(completion, unit, completion_ids)
    if measured <= longest - cache:
        return 0.0
    return (longest - cache - measured) / cache if measured <= longest else -1.0


def check_max_length(reward: str, max_length: int | None) -> int:
    """The largest length, once it is one.

    Raises:
        ValueError: it is not set, or below 1.
    """
    if max_length is None:
        raise ValueError(
            f"max_length must be set, usually to the longest completion there can be: write "
            f"'reward.{reward}.max_length=${{training.max_completion_length}}'"
        )
    if max_length < 1:
        raise ValueError(f"max_length must be 1 or more, not {max_length}")
    return max_length
