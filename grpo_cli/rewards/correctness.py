"""Rewards for being right: the completion's answer against the data's."""

from __future__ import annotations

import re
from typing import Any, Literal

from grpo_cli.rewards.extract import (
    finished_text,
    is_empty,
    last_answer_tag,
    last_boxed,
    last_number,
    normalise,
    parse_number,
    same_answer,
)


def exact_match(
    completion: str,
    answer: Any,
    *,
    extract: Literal["auto", "answer_tag", "boxed", "last_number", "whole", "regex"] = "auto",
    pattern: str | None = None,
    numeric: bool = True,
    ignore_case: bool = True,
    prompt_opens_think: bool = False,
) -> float:
    r"""1.0 when the completion's answer equals the data's, else 0.0.

    Args:
        completion: the text of one completion.
        answer: the right answer, text or number; a list of them where several are right.
        extract: where the completion's answer stands. `auto`: the last `<answer>…</answer>`, else the
            last `\boxed{…}`, else, where the right answer is a number, the last number, else the whole
            text. What stands inside `<think>` is never looked at; when the thinking was not closed,
            only an explicit tag or box counts.
        pattern: for `regex`: its last match in the completion counts, the first group if it has one.
        numeric: whether two numbers are compared by value (845 = 845.0, 1,234 = 1234).
        ignore_case: whether "Paris" equals "paris".
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        1.0 or 0.0; always 0.0 for an empty completion and for an empty right answer.

    Raises:
        ValueError: `extract` is unknown, or `regex` lacks its pattern.

    Example:
        >>> exact_match("<think>40+2</think><answer>42</answer>", 42)
        1.0
        >>> exact_match("It may be 41, 42 or 43.", "42"), exact_match("41, 42", "42")
        (0.0, 1.0)
        >>> exact_match("41, 42", "42", extract="answer_tag")
        0.0
    """
    golds = answer if isinstance(answer, list | tuple) else [answer]
    golds = [gold for gold in golds if not is_empty(gold)]
    found = extract_answer(
        completion,
        extract,
        pattern=pattern,
        numeric_answer=numeric and any(_is_number(gold) for gold in golds),
        prompt_opens_think=prompt_opens_think,
    )
    if found is None:
        return 0.0
    return float(any(same_answer(found, gold, numeric=numeric, ignore_case=ignore_case) for gold in golds))


def extract_answer(
    completion: str,
    extract: str = "auto",
    *,
    pattern: str | None = None,
    numeric_answer: bool = False,
    prompt_opens_think: bool = False,
) -> str | None:
    """The answer that a completion gives, as text, or None when it gives none.

    Args:
        completion: the text of one completion.
        extract: where it stands, as in `exact_match`.
        pattern: for `regex`.
        numeric_answer: whether `auto` falls back on the last number instead of the whole text.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Example:
        >>> extract_answer("<answer>1</answer><answer>2</answer>")
        '2'
        >>> extract_answer("The answer is 845.", numeric_answer=True)
        '845'
    """
    if extract == "regex":
        return _last_match(completion, pattern)
    finished = finished_text(completion, prompt_opens_think)
    explicit = completion if finished is None else finished
    if extract == "answer_tag":
        return last_answer_tag(explicit)
    if extract == "boxed":
        return last_boxed(explicit)
    if extract == "last_number":
        return None if finished is None else last_number(finished)
    if extract == "whole":
        return finished
    if extract != "auto":
        raise ValueError(f"extract must be auto, answer_tag, boxed, last_number, whole or regex, not {extract!r}")
    for find in (last_answer_tag, last_boxed):
        if (found := find(explicit)) is not None:
            return found
    if finished is None:
        return None
    return last_number(finished) if numeric_answer else finished


def _last_match(text: str, pattern: str | None) -> str | None:
    if not pattern:
        raise ValueError("extract: regex needs a pattern, such as pattern: 'Answer: (.+)'")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error
    last = None
    for match in compiled.finditer(text):
        last = match
    if last is None:
        return None
    return last.group(1) if compiled.groups else last.group()


def _is_number(gold: Any) -> bool:
    return parse_number(normalise(str(gold))) is not None
