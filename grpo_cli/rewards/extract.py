"""Finding the answer in a completion, and comparing two answers.

Everything here takes time linear in the text: a completion of a megabyte is no danger.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from grpo_cli.rewards.text import END_THINK, THINK

ANSWER, END_ANSWER = "<answer>", "</answer>"
BOXED = "\\boxed{"

_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\w)\.\d+)(?:[eE][+-]?\d+)?"
# A minus belongs to the number unless it stands after something that it is subtracted from.
_NUMBER_IN_TEXT = re.compile(rf"(?:(?<![\w).])[-+\u2212])?[$€£]?{_UNSIGNED}(?:/{_UNSIGNED})?", re.ASCII)
_NUMBER_ALONE = re.compile(rf"(?:([-+\u2212])\s?)?(?:[$€£]\s?)?({_UNSIGNED})(?:\s?/\s?({_UNSIGNED}))?\s?%?", re.ASCII)
# A longer "number" than this is junk, and exact arithmetic on it would cost.
_LONGEST_NUMBER = 400


def finished_text(text: str, prompt_opens_think: bool = False) -> str | None:
    """The text after the reasoning.

    Args:
        text: a completion.
        prompt_opens_think: whether the prompt opened `<think>`, so the completion starts inside it.

    Returns:
        What follows the last `</think>`; the whole text when it has no reasoning; None when the
        reasoning was never closed (the completion was cut off, or went round in circles).

    Example:
        >>> finished_text("<think>4+5</think>9"), finished_text("9"), finished_text("<think>4+5")
        ('9', '9', None)
    """
    _, closed, rest = text.rpartition(END_THINK)
    opened = THINK in (rest if closed else text) or (prompt_opens_think and not closed)
    return None if opened else rest


def last_answer_tag(text: str) -> str | None:
    """The content of the last complete `<answer>…</answer>`, or None.

    Example:
        >>> last_answer_tag("<answer>1</answer> no: <answer>2</answer> and <answer>3")
        '2'
    """
    end = text.rfind(END_ANSWER)
    start = text.rfind(ANSWER, 0, end) if end >= 0 else -1
    return text[start + len(ANSWER) : end] if start >= 0 else None


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete LaTeX `\boxed{…}`, its braces balanced, or None.

    Example:
        >>> last_boxed(r"\boxed{1}, so \boxed{\frac{1}{2}}.")
        '\\frac{1}{2}'
    """
    span = last_boxed_span(text)
    return None if span is None else text[span[0] + len(BOXED) : span[1] - 1]


def last_boxed_span(text: str, before: int | None = None) -> tuple[int, int] | None:
    r"""Where the last complete `\boxed{…}` stands, from its backslash to after its closing brace.

    Args:
        text: a completion.
        before: look only at what stands before this position.

    Example:
        >>> last_boxed_span(r"so \boxed{1}."), last_boxed_span(r"so \boxed{1")
        ((3, 12), None)
    """
    limit = len(text) if before is None else before
    start = text.rfind(BOXED, 0, limit)
    while start >= 0:
        depth = 1
        # Up to the next \boxed only: an unclosed one must not make the scan quadratic.
        for position in range(start + len(BOXED), limit):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0:
                return start, position + 1
        limit, start = start, text.rfind(BOXED, 0, start)
    return None


def last_fenced(text: str) -> tuple[str, str] | None:
    """The last closed Markdown code block, as (language, content), or None.

    Example:
        >>> last_fenced("So:\\n```json\\n[1]\\n```\\nDone.")
        ('json', '[1]')
        >>> last_fenced("```json") is None
        True
    """
    blocks, _ = fenced_blocks(text)
    return blocks[-1] if blocks else None


def fenced_blocks(text: str) -> tuple[list[tuple[str, str]], bool]:
    """All Markdown code blocks of a text, and whether a last one was left open.

    A block begins with a line of three backticks and a language (or none), and ends with a line of three
    backticks and nothing else.

    Returns:
        (language, content) of each closed block, and whether an opened one was never closed.

    Example:
        >>> fenced_blocks("```python\\nx = 1\\n```\\nand ```\\n```js\\n1")
        ([('python', 'x = 1')], True)
    """
    blocks: list[tuple[str, str]] = []
    language: str | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        bare = line.strip()
        if language is None:
            if bare.startswith("```") and "`" not in bare[3:]:
                language, lines = bare[3:].strip().lower(), []
        elif bare == "```":
            blocks.append((language, "\n".join(lines)))
            language = None
        else:
            lines.append(line)
    return blocks, language is not None


def last_number(text: str) -> str | None:
    """The last number of the text, as written, or None.

    Example:
        >>> last_number("First 12, then 1,234.50 dollars."), last_number("10-5"), last_number("x = -5")
        ('1,234.50', '5', '-5')
    """
    last = None
    for match in find_numbers(text):
        last = match
    return last.group() if last else None


def find_numbers(text: str) -> Iterator[re.Match[str]]:
    """Every number of the text, as `last_number` sees them, with its place.

    Example:
        >>> [match.group() for match in find_numbers("from -3 to $1,200, or 3/4")]
        ['-3', '$1,200', '3/4']
    """
    return _NUMBER_IN_TEXT.finditer(text)


def parse_number(text: str) -> Decimal | None:
    """The number that `text` is, or None when it is anything else (a list of numbers is no number).

    Args:
        text: a number with thousands separators, a currency sign, a percent sign, an exponent or a
            fraction bar, whichever it has.

    Returns:
        Its value; a fraction is divided to 28 digits.

    Example:
        >>> parse_number("1,234") == parse_number("$1234.0"), parse_number("1 2"), parse_number("3/4")
        (True, None, Decimal('0.75'))
    """
    text = text.strip()
    match = _NUMBER_ALONE.fullmatch(text) if 0 < len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return None
    sign, above, below = match.groups()
    try:
        value = Decimal(above.replace(",", ""))
        if below:
            value /= Decimal(below.replace(",", ""))
    except ArithmeticError:
        return None
    return value if sign in (None, "+") else value.copy_negate()


def normalise(text: str, ignore_case: bool = True) -> str:
    """The text as it is compared: Unicode composed, blanks collapsed, no decoration around it.

    Compatibility forms stay apart on purpose: "5²" must not become "52".

    Example:
        >>> normalise(" **Blue  whale**. "), normalise("?")
        ('blue whale', '?')
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    bare = text.strip("*_`\"'$ \ufeff\u200b").rstrip(".,;:!").strip("*_`\"'$ ")
    text = bare or text
    return text.casefold() if ignore_case else text


def is_empty(answer: Any) -> bool:
    """Whether a gold answer is missing: None, NaN (an empty cell of a CSV) or blank text."""
    if answer is None or (isinstance(answer, float) and math.isnan(answer)):
        return True
    return not str(answer).strip()


def same_answer(given: str, gold: Any, *, numeric: bool = True, ignore_case: bool = True) -> bool:
    """Whether two answers are equal, as numbers where both are numbers, else as normalised text.

    Example:
        >>> same_answer("845", 845.0), same_answer("1,234", "1234"), same_answer("845", "845", numeric=False)
        (True, True, True)
        >>> same_answer("", ""), same_answer("843 844 845", "845")
        (False, False)
    """
    if is_empty(given) or is_empty(gold):
        return False
    given, gold = normalise(given, ignore_case), normalise(str(gold), ignore_case)
    if numeric:
        left, right = parse_number(given), parse_number(gold)
        if left is not None and right is not None:
            return left == right
    return given == gold
