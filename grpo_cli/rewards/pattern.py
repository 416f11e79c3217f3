"""A reward for matching a regular expression that the config or each row of the data gives."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from grpo_cli.rewards.extract import finished_text


def regex(
    completion: str,
    pattern: str,
    *,
    match: Literal["anywhere", "start", "whole"] = "anywhere",
    ignore_case: bool = False,
    reasoning: bool = False,
    prompt_opens_think: bool = False,
) -> float | None:
    r"""1.0 when the completion matches a regular expression, else 0.0.

    Args:
        completion: the text of one completion.
        pattern: the expression (a data column, or a constant); `.` matches newlines too. Nested repetition
            such as `(a+)+b` can take exponential time, which only the reward's timeout ends.
        match: `anywhere` in the text, at its `start`, or the `whole` text; blanks around the text do not count.
        ignore_case: whether `a` matches `A`.
        reasoning: whether what stands inside `<think>` is looked at too.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        1.0 or 0.0; 0.0 for an empty completion even where the pattern matches nothing at all; None when the
        row has no pattern.

    Raises:
        ValueError: the pattern is no regular expression, or `match` is unknown.

    Example:
        >>> regex("<think>7</think>So it is 12.", r"\d+"), regex("So it is 12.", r"\d+", match="whole")
        (1.0, 0.0)
        >>> regex("<think>7</think>seven", r"\d+")
        0.0
    """
    if match not in ("anywhere", "start", "whole"):
        raise ValueError(f"match must be anywhere, start or whole, not {match!r}")
    if not pattern:
        return None
    compiled = _compile(str(pattern), ignore_case)
    text = completion if reasoning else finished_text(completion, prompt_opens_think)
    text = (text or "").strip()
    if not text:
        return 0.0
    find = {"anywhere": compiled.search, "start": compiled.match, "whole": compiled.fullmatch}[match]
    return float(find(text) is not None)


@lru_cache(maxsize=1024)
def _compile(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error
