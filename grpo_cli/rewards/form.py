"""Rewards for the form of a completion: thinking and answer tags, or a regular expression."""

from __future__ import annotations

import re
from typing import Literal

from grpo_cli.rewards.extract import ANSWER, END_ANSWER
from grpo_cli.rewards.text import END_THINK, THINK

_TAGS = {
    "think_answer": (THINK, END_THINK, ANSWER, END_ANSWER),
    "think": (THINK, END_THINK),
    "answer": (ANSWER, END_ANSWER),
}


def format(
    completion: str,
    *,
    form: Literal["think_answer", "think", "answer", "regex"] = "think_answer",
    strict: bool = True,
    pattern: str | None = None,
    prompt_opens_think: bool = False,
) -> float:
    r"""Whether the completion has the wanted form.

    Args:
        completion: the text of one completion.
        form: `think_answer`: `<think>…</think>` and then `<answer>…</answer>`, nothing else but blanks,
            neither of them empty. `think`: it begins with `<think>`, which is closed and not opened
            again (what TRL's `think_format_reward` asks for). `answer`: exactly one `<answer>…</answer>`,
            not empty, anything around it. `regex`: `pattern`.
        strict: whether all of the form must be there (1.0 or 0.0). Otherwise the reward is the share of
            the form's tags that stand in the text exactly once and in order, which leads a model
            there that never gets the whole right; for `regex`, the pattern may match anywhere.
        pattern: for `regex`; `.` matches newlines too. Strict means that it matches the whole text.
        prompt_opens_think: whether the prompt ended in an open `<think>`; the completion is then judged
            with that tag in front, so one setting fits both kinds of chat template.

    Returns:
        0.0 to 1.0; an empty completion has no form and gets 0.0.

    Raises:
        ValueError: unknown form, a missing or invalid pattern, a pattern for another form.

    Example:
        >>> format("<think>4+5</think><answer>9</answer>"), format("4+5</think> <answer>9</answer>")
        (1.0, 0.0)
        >>> format("4+5</think><answer>9</answer>", prompt_opens_think=True)
        1.0
        >>> format("<think>4+5 <answer>9</answer>", strict=False)
        0.75
        >>> format("#### 9", form="regex", pattern=r"#### \d+")
        1.0
    """
    compiled = _compile(form, pattern)
    if not completion.strip():
        return 0.0
    text = THINK + completion if prompt_opens_think else completion
    if compiled is not None:
        return float(bool(compiled.fullmatch(text) if strict else compiled.search(text)))
    if not strict:
        return tags_in_order(text, _TAGS[form])
    return float({"think_answer": _think_answer, "think": _think, "answer": _answer}[form](text))


def tags_in_order(text: str, tags: tuple[str, ...]) -> float:
    """The share of `tags` that occur exactly once in `text`, each after those counted before it.

    Example:
        >>> tags_in_order("</think><think>", ("<think>", "</think>"))
        0.5
    """
    counted, last = 0, -1
    for tag in tags:
        position = text.find(tag)
        if position > last and text.find(tag, position + 1) < 0:
            counted, last = counted + 1, position
    return counted / len(tags)


def _think_answer(text: str) -> bool:
    text = text.strip()
    if any(text.count(tag) != 1 for tag in _TAGS["think_answer"]):
        return False
    head, _, rest = text.partition(THINK)
    reasoning, _, rest = rest.partition(END_THINK)
    between, _, rest = rest.partition(ANSWER)
    answer, _, tail = rest.partition(END_ANSWER)
    return bool(reasoning.strip() and answer.strip()) and not (head or between.strip() or tail)


def _think(text: str) -> bool:
    return text.startswith(THINK) and text.count(THINK) == 1 and END_THINK in text


def _answer(text: str) -> bool:
    if text.count(ANSWER) != 1 or text.count(END_ANSWER) != 1:
        return False
    return bool(text.partition(ANSWER)[2].partition(END_ANSWER)[0].strip()) and (
        text.index(ANSWER) < text.index(END_ANSWER)
    )


def _compile(form: str, pattern: str | None) -> re.Pattern[str] | None:
    if form != "regex":
        if form not in _TAGS:
            raise ValueError(f"form must be think_answer, think, answer or regex, not {form!r}")
        if pattern is not None:
            raise ValueError(f"pattern is only read with form: regex, not with form: {form}")
        return None
    if not pattern:
        raise ValueError(r"form: regex needs a pattern, such as pattern: '.*#### \d+'")
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error
