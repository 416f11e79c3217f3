"""A reward that scales being right by length: short right answers best, short wrong ones worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.rewards.correctness import exact_match
from grpo_cli.rewards.length import check_max_length, measure_length
from grpo_cli.rewards.math_answer import math as math_equal


def cosine_length(
    completion: str,
    answer: Any,
    *,
    max_length: int | None = None,
    judge: Literal["math", "exact_match"] = "math",
    min_wrong: float = -1.0,
    max_wrong: float = -0.5,
    min_correct: float = 0.5,
    max_correct: float = 1.0,
    unit: Literal["tokens", "words", "characters"] = "tokens",
    completion_ids: Sequence[int] | None = None,
    prompt_opens_think: bool = False,
) -> float | None:
    r"""Right or wrong, on a cosine between the value for no length and the value for `max_length`.

    .. math:: R(y) = b + \tfrac{1}{2} (a - b) \left(1 + \cos\frac{\pi \min(|y|, L)}{L}\right)

    with (a, b) = (`max_correct`, `min_correct`) for a right completion and (`min_wrong`, `max_wrong`) for a wrong
    one: being short pays when right, thinking longer pays when wrong. From "Demystifying Long Chain-of-Thought
    Reasoning in LLMs", arXiv 2502.03373, appendix C.1; equal to TRL's `get_cosine_scaled_reward`.

    Args:
        completion: the text of one completion.
        answer: the right answer.
        max_length: L, in `unit`; usually `${training.max_completion_length}`.
        judge: the reward whose 1.0 means right: `math` or `exact_match`, with its defaults.
        min_wrong: a wrong completion of no length.
        max_wrong: a wrong completion of L or more.
        min_correct: a right completion of L or more.
        max_correct: a right completion of no length.
        unit: what is counted; tokens are the model's.
        completion_ids: the completion's token ids, for `tokens`.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        A number between the four; None where `judge` gives None (a right answer that cannot be read).

    Raises:
        ValueError: `max_length` is not set or below 1, `judge` or `unit` is unknown, tokens without token ids.

    Example:
        >>> cosine_length(r"\boxed{4}", "4", max_length=10, completion_ids=[])
        1.0
        >>> cosine_length(r"\boxed{4}", "4", max_length=10, completion_ids=[1] * 5)
        0.75
        >>> cosine_length(r"\boxed{5}", "4", max_length=10, completion_ids=[1] * 99)
        -0.5
    """
    length = check_max_length("cosine_length", max_length)
    if judge not in ("math", "exact_match"):
        raise ValueError(f"judge must be math or exact_match, not {judge!r}")
    measured = measure_length(completion, unit, completion_ids)
    correct = (math_equal if judge == "math" else exact_match)(
        completion, answer, prompt_opens_think=prompt_opens_think
    )
    if correct is None:
        return None
    short, long = (max_correct, min_correct) if correct == 1.0 else (min_wrong, max_wrong)
    cosine = math.cos(min(measured / length, 1.0) * math.pi)
    return float(long + 0.5 * (short - long) * (1.0 + cosine))
