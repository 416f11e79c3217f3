"""The mathematical reward: the completion's answer is equal to the right one as mathematics, by math-verify.

It judges as TRL's `accuracy_reward` does (same library, same settings) and costs less: only the answer is
read, not the whole completion, and by a quicker parser; the right answer is parsed once for all completions
of its group; equal texts, and pairs of plain numbers, need no algebra.

math-verify's own time limits are signals, which only work in the main thread, so they are off here: the
guard kills what takes too long, such as `\\boxed{10^{10^{10}}!}`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from grpo_cli.rewards.extract import BOXED, finished_text, is_empty, last_answer_tag, last_boxed_span
from grpo_cli.rewards.latex import parse_formula

# An answer longer than this (in characters) is none: algebra on it would cost and prove nothing.
_LONGEST_ANSWER = 1000
# Where an answer without a box is looked for: this many characters at the end of the completion.
_TAIL = 5000
# Boxes this close together are given to math-verify together: it reads "\boxed{1} or \boxed{2}" as a set.
_NEAR = 70

# Plain numbers. math-verify rounds to six digits after the point, so decimals of five are equal to it as they are.
_WHOLE = r"(?:0|[1-9][0-9]{0,8})"
_DECIMAL = re.compile(rf"-?{_WHOLE}\.[0-9]{{1,5}}")
_RATIONAL = re.compile(
    rf"(-?{_WHOLE})(?:/([1-9][0-9]{{0,8}}))?|(-?)\\[dt]?frac\{{({_WHOLE})\}}\{{([1-9][0-9]{{0,8}})\}}"
)
# The usual last words without a box: "… answer is $5$." at the end of the text.
_LAST_WORDS = re.compile(
    r"answer(?: is)?:?\s{0,9}\$([^$\n{}\\]{1,99}|\\d?frac\{\d{1,9}\}\{\d{1,9}\})\$\.?\s*\Z", re.IGNORECASE
)
_ENVIRONMENT = re.compile(r"\$|\\\(|\\\[|\\boxed")
# A text that is one formula and nothing else; the word "answer" in it has a meaning to math-verify.
_FORMULA = re.compile(r"\s*\$((?:(?!answer|\\boxed)[^$\n])+)\$\s*", re.IGNORECASE)
_COMMAND = re.compile(r"\\(?:text|mathrm|mbox|operatorname)\s?\{[^{}]*\}|\\[a-zA-Z]+")
_WORD = re.compile(r"[^\W\d_]{3}")
_FORMULAS = (
    *(r"\frac{1}{2} + 2\sqrt{3}", "x^2 - 3x + 1", "x(x+2) = 5", r"2 \cdot 3^{-4}", r"-\frac{\pi}{4}", "1,234.5"),
    *(r"\{1, 2, 3\}", "[0, 1)", r"\left(1, \frac{\pi}{4}\right)", r"(-\infty, 2] \cup [3, \infty)", r"x \le 1"),
    *(r"\sin(x) + \log_2 8", r"\sum_{i=1}^{n} i^2", r"\int_0^1 x dx", r"\binom{5}{2}", r"|x - 1|", r"\text{yes}"),
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
)
_PLAIN_NUMBER = re.compile(r"[-+\d\s.,/%]*")


def math(completion: str, answer: Any, *, plain: bool = False, prompt_opens_think: bool = False) -> float | None:
    r"""1.0 when the completion's answer is mathematically equal to the data's, else 0.0.

    Numbers, fractions, roots, expressions, equations, sets, tuples, intervals, matrices: whatever
    math-verify can read and compare.

    Args:
        completion: the text of one completion.
        answer: the right answer, LaTeX or plain text or a number; a list of them where several are right.
        plain: whether an answer without LaTeX counts, too: the last number or expression of the text, as in
            `The answer is 42.`. Otherwise the answer must stand in a box, in an `<answer>` tag, or as LaTeX
            after the word "answer", as TRL's `accuracy_reward` wants it.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        1.0 or 0.0; None when math-verify cannot read the right answer. The answer is the last `\boxed{…}`
        after the reasoning; without one, the last `<answer>…</answer>`; without that, what `plain` says.

    Example:
        >>> math(r"<think>1/2, that is 0.5</think>\boxed{\frac{2}{4}}", "1/2"), math(r"\boxed{3}", "1/2")
        (1.0, 0.0)
        >>> math(r"The answer is $\{2, 1\}$.", r"$\{1, 2\}$"), math(r"<answer>x+1</answer>", "1+x")
        (1.0, 1.0)
        >>> math("The answer is 42.", 42), math("The answer is 42.", 42, plain=True)
        (0.0, 1.0)
        >>> math(r"\boxed{42}", "blue whale") is None
        True
    """
    golds = answer if isinstance(answer, list | tuple) else [answer]
    golds = [str(gold).strip() for gold in golds if not is_empty(gold)]
    golds = [gold for gold in golds if is_readable(gold)]
    if not golds:
        return None
    found = find_answer(completion, plain=plain, prompt_opens_think=prompt_opens_think)
    return float(found is not None and any(equal(gold, *found) for gold in golds))


def find_answer(completion: str, *, plain: bool = False, prompt_opens_think: bool = False) -> tuple[str, str] | None:
    r"""The part of the completion that math-verify has to read, and how.

    Returns:
        The text and one of `boxed` (it holds `\boxed{…}`), `alone` (it is nothing but the answer), `tail`
        (LaTeX after the word "answer"), `plain` (the same, or the last expression); None when there is no answer.

    Example:
        >>> find_answer(r"Adding up, $\boxed{42}$.")
        ('\\boxed{42}', 'boxed')
    """
    text = finished_text(completion, prompt_opens_think)
    if text is None or not text.strip():
        return None
    if (span := last_boxed_span(text)) is not None:
        start, end = span
        while (earlier := last_boxed_span(text, start)) is not None and start - earlier[1] < _NEAR:
            start = earlier[0]
            if end - start > _LONGEST_ANSWER:
                break
        start = start if end - start <= _LONGEST_ANSWER else span[0]
        return (text[start:end], "boxed") if end - start <= _LONGEST_ANSWER else None
    if (tag := last_answer_tag(text)) is not None:
        tag = tag.strip()
        return (tag, "alone") if 0 < len(tag) <= _LONGEST_ANSWER else None
    tail = text[-_TAIL:].rstrip()
    anchors = tail.lower().count("answer")
    if anchors and _ENVIRONMENT.search(tail):
        # Where no other "answer" comes before it, this is what math-verify finds at much greater cost.
        last = _LAST_WORDS.search(tail, max(0, len(tail) - 150)) if anchors == 1 else None
        if last:
            return f"{BOXED}{last[1]}}}", "boxed"
        return tail, "plain" if plain else "tail"
    return (tail, "plain") if plain else None


def equal(gold: str, found: str, kind: str) -> bool:
    """Whether what `find_answer` found equals a right answer.

    Equal texts and pairs of plain numbers are decided here, as math-verify would decide them.
    """
    content = found
    if kind == "boxed" and found.count(BOXED) == 1:
        content = found[len(BOXED) : -1]
    elif kind != "alone":
        return _verify(gold, found, kind)
    # (50\% and 50% are one text; math-verify reads only the latter.)
    content, bare = (text.strip(" $").replace("\\%", "%") for text in (content, gold))
    if content == bare:
        return True
    left, right = plain_number(content), plain_number(bare)
    if left is not None and right is not None:
        both = content + bare
        # Not 1/3 and 0.33333: there rounding decides.
        if not ("." in both and ("/" in both or "frac" in both)):
            return left == right
    return _verify(gold, found, kind)


def plain_number(text: str) -> Fraction | None:
    r"""The value of a text that is nothing but an integer, a decimal or a fraction of two integers.

    Example:
        >>> plain_number("-12.50"), plain_number(r"\frac{2}{4}"), plain_number("2/0"), plain_number("x")
        (Fraction(-25, 2), Fraction(1, 2), None, None)
    """
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    match = _RATIONAL.fullmatch(text)
    if match is None:
        return None
    whole, below, sign, above_frac, below_frac = match.groups()
    if whole is not None:
        return Fraction(int(whole), int(below or 1))
    return Fraction(int(sign + above_frac), int(below_frac))


def preload() -> None:
    """Import math-verify and read a formula of each kind: its parser builds its tables as it meets them (a second)."""
    for formula in _FORMULAS:
        _verify(f"${formula}$", rf"\boxed{{{formula}}}", "boxed")


def is_readable(gold: str) -> bool:
    """Whether math-verify can read this right answer.

    Example:
        >>> is_readable("1/2"), is_readable("blue whale")
        (True, False)
    """
    return plain_number(gold.strip(" $")) is not None or bool(_parse_alone(gold))


# The completions of a group have one right answer and often the same wrong ones.
@lru_cache(maxsize=4096)
def _verify(gold: str, found: str, kind: str) -> bool:
    from math_verify import verify

    parsed = _parse_alone(found) if kind == "alone" else _parse_found(found, kind)
    return bool(verify(list(_parse_alone(gold)), list(parsed), timeout_seconds=None))


@lru_cache(maxsize=1024)
def _parse_alone(text: str) -> tuple[Any, ...]:
    """Parse a text that is nothing but an answer."""
    if len(text) > _LONGEST_ANSWER:
        return ()
    parse, _, settings = _math_verify()
    formula = _FORMULA.fullmatch(text)
    # Without its dollars math-verify sees no LaTeX: it would read 2\sqrt{3} as 2, and [0, 1) as 1.
    bare = not _ENVIRONMENT.search(text) and not _PLAIN_NUMBER.fullmatch(text)
    if formula or (bare and "\n" not in text and not _WORD.search(_COMMAND.sub("", text))):
        parsed = parse_formula(formula[1] if formula else text, settings.normalization_config)
        # A text alone means that nothing was understood.
        if any(not isinstance(part, str) for part in parsed):
            return tuple(parsed)
    return tuple(parse(text, parsing_timeout=None))


def _parse_found(text: str, kind: str) -> list[Any]:
    """Parse what stands in a completion; the settings are those of TRL's `accuracy_reward`."""
    parse, settings, _ = _math_verify()
    if kind == "boxed" and text.count(BOXED) == 1 and "answer" not in text.lower():
        return parse_formula(text, replace(settings.normalization_config, boxed="last"))
    parsed = parse(text, extraction_config=[settings], extraction_mode="first_match", parsing_timeout=None)
    if not parsed and kind == "plain":
        parsed = parse(text[-_LONGEST_ANSWER:], parsing_timeout=None)
    return parsed


@lru_cache(maxsize=1)
def _math_verify() -> tuple[Any, Any, Any]:
    """Its `parse`, TRL's settings for a completion and its own; imported when first needed (half a second)."""
    # It would warn that its time limits are off.
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from latex2sympy2_extended import NormalizationConfig
    from math_verify import LatexExtractionConfig, parse

    completion = LatexExtractionConfig(
        normalization_config=NormalizationConfig(units=True),
        boxed_match_priority=0,
        try_extract_without_anchor=False,
    )
    return parse, completion, LatexExtractionConfig()
