"""A reward for numbers: the completion's number is near enough to the right one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Literal

from grpo_cli.rewards.correctness import extract_answer
from grpo_cli.rewards.extract import find_numbers, finished_text, is_empty, normalise, parse_number

# What stands for one thing is written one way, so that one pattern finds every number.
_TEN_TO = re.compile(r"\s?(?:×|x|\*|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?[{(]?\s?([-+\u2212]?\d{1,9})[})]?")
_FRACTION = re.compile(r"\\[dtc]?frac\s?\{\s?([^{}\s]{1,60})\s?\}\s?\{\s?([^{}\s]{1,60})\s?\}")
_MIXED = re.compile(r"(?<![\d.,/])(\d{1,15})(?:\s|\s?\+\s?)(\d{1,9})/(\d{1,9})(?![\d/])")
_THOUSANDS = re.compile(r"(?<=\d)(?:[\u00a0\u2009\u202f']|\\,|\{,\})(?=\d{3}(?!\d))")
_PERCENT = re.compile(r"\s?(?:\\?%|percent\b|per cent\b|pct\b)", re.IGNORECASE)


def numeric(
    completion: str,
    answer: Any,
    *,
    absolute: float = 0.0,
    relative: float = 1e-6,
    percent: Literal["either", "fraction", "ignore"] = "either",
    units: bool = True,
    extract: Literal["auto", "answer_tag", "boxed", "last_number", "whole", "regex"] = "auto",
    pattern: str | None = None,
    prompt_opens_think: bool = False,
) -> float | None:
    r"""1.0 when the completion's number is within tolerance of the data's, else 0.0.

    Within tolerance means `|given - right| <= max(absolute, relative * |right|)`.

    Args:
        completion: the text of one completion.
        answer: the right number, or text with one number in it; a list of them where several are right.
        absolute: largest difference allowed, in the numbers' own unit.
        relative: largest difference allowed, as a share of the right number.
        percent: what `50%` may stand for beside a number without a percent sign: `fraction` 0.5, `ignore` 50,
            `either` both. Two percentages are always compared as they are.
        units: whether words and signs around the one number are passed over (`12 km`, `about $12`);
            otherwise the answer must be nothing but the number.
        extract: where the answer stands, as in `exact_match`.
        pattern: for `regex`.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        1.0 or 0.0; None when the right answer is no number. Read as numbers: thousands separators, fractions
        (also `\frac{1}{2}` and `1 1/2`), exponents (`1.5e3`, `1.5 \times 10^3`), currency signs. An answer in
        a tag or box that holds several numbers is none.

    Raises:
        ValueError: a negative tolerance, an unknown `percent` or `extract`, `regex` without its pattern.

    Example:
        >>> numeric("It is about 3.14.", 3.14159, relative=0.01), numeric("It is about 3.1.", 3.14159, relative=0.01)
        (1.0, 0.0)
        >>> numeric(r"\boxed{1.5 \times 10^3 \text{ m}}", "1,500"), numeric("<answer>12 or 13</answer>", 13)
        (1.0, 0.0)
        >>> numeric("So 50%.", 0.5), numeric("So 50%.", "0.5%")
        (1.0, 0.0)
    """
    if absolute < 0 or relative < 0:
        raise ValueError(f"absolute and relative must be 0 or more, not {min(absolute, relative)}")
    if percent not in ("either", "fraction", "ignore"):
        raise ValueError(f"percent must be either, fraction or ignore, not {percent!r}")
    given = _given(completion, extract, pattern, units, prompt_opens_think)
    golds = answer if isinstance(answer, list | tuple) else [answer]
    rights = [right for gold in golds if not is_empty(gold) and (right := read_number(str(gold))) is not None]
    if not rights:
        return None
    return float(given is not None and any(_near(given, right, absolute, relative, percent) for right in rights))


def _given(
    completion: str, extract: str, pattern: str | None, units: bool, prompt_opens_think: bool
) -> tuple[Decimal, bool] | None:
    if extract not in ("auto", "last_number"):
        found = extract_answer(completion, extract, pattern=pattern, prompt_opens_think=prompt_opens_think)
        return None if found is None else read_number(found, units)
    for place in ("answer_tag", "boxed") if extract == "auto" else ():
        if (found := extract_answer(completion, place, prompt_opens_think=prompt_opens_think)) is not None:
            return read_number(found, units)
    text = canonical(finished_text(completion, prompt_opens_think) or "")
    last = None
    for match in find_numbers(text):
        last = match
    value = parse_number(last.group()) if last else None
    return None if last is None or value is None else (value, bool(_PERCENT.match(text, last.end())))


def canonical(text: str) -> str:
    r"""The text with its numbers written one way: `1.5e3`, `1/2`, no blanks as thousands separators.

    Example:
        >>> canonical(r"1.5 \times 10^{3}, \frac{1}{2}, 1 1/2, 12 000")
        '1.5e3, 1/2, 3/2, 12 000'
    """
    text = _THOUSANDS.sub("", text)
    text = _TEN_TO.sub(lambda match: "e" + match[1].replace("\u2212", "-"), text)
    # 1\frac{1}{2} is one and a half.
    text = _FRACTION.sub(lambda m: f"{' ' * m.string[m.start() - 1 : m.start()].isdigit()}{m[1]}/{m[2]}", text)
    return _MIXED.sub(lambda m: f"{int(m[1]) * int(m[3]) + int(m[2])}/{int(m[3])}", text)


def read_number(text: str, units: bool = True) -> tuple[Decimal, bool] | None:
    """The one number in a text, and whether it is a percentage.

    Args:
        text: an answer.
        units: whether there may be anything else in it.

    Example:
        >>> read_number("about 12.5 %"), read_number("12 or 13"), read_number("12 km", units=False)
        ((Decimal('12.5'), True), None, None)
    """
    text = canonical(text)
    alone = parse_number(normalise(text))
    if alone is None:
        if not units:
            return None
        found = [match.group() for _, match in zip(range(2), find_numbers(text), strict=False)]
        alone = parse_number(found[0]) if len(found) == 1 else None
    return None if alone is None else (alone, bool(_PERCENT.search(text)))


def _near(
    given: tuple[Decimal, bool], right: tuple[Decimal, bool], absolute: float, relative: float, percent: str
) -> bool:
    def values(number: Decimal, is_percentage: bool) -> list[Decimal]:
        if not is_percentage or given[1] == right[1]:
            return [number]
        return {"either": [number, number / 100], "fraction": [number / 100], "ignore": [number]}[percent]

    try:
        return any(
            abs(one - other) <= max(Decimal(str(absolute)), Decimal(str(relative)) * abs(other))
            for one in values(*given)
            for other in values(*right)
        )
    except ArithmeticError:
        # An exponent beyond what decimals can hold.
        return False
