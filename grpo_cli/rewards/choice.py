"""A reward for multiple-choice questions: the option that the completion settles on is the right one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from grpo_cli.rewards.extract import finished_text, is_empty, last_answer_tag, last_boxed, normalise

# A letter as it is written when it names an option: (B), **B**, \text{B}.
_LETTER = r"(?:\\text(?:bf)?\{|[(\[*_`$\"'{]){0,4}([A-Za-z])(?![A-Za-z\d'’])[)\]*_`$\"'}]{0,4}"
_ALONE = re.compile(rf"\s{{0,9}}(?:(?:option|choice|answer)\s{{1,9}})?{_LETTER}\s{{0,9}}(?:[.:,)]|\Z)", re.IGNORECASE)
# "The answer is (B)", "Answer: B", "the correct option is B", "I choose option B".
_SAID = re.compile(
    r"(?:\b(?:answer|option|choice)(?:\s{1,3}(?:is|would be|should be|must be)|\s{0,3}[:=])"
    r"|\b(?:choose|chose|pick|select|go with))"
    rf"[\s*]{{0,5}}(?:the\s{{1,3}})?(?:correct\s{{1,3}})?(?:(?:option|choice|letter|answer)\s{{1,3}})?{_LETTER}",
    re.IGNORECASE,
)
_MENTION = re.compile(rf"(?<![A-Za-z\d'’]){_LETTER}")

_ENDED = re.compile(r"\s{0,3}(?:[.,;)]|\Z)")
# "A" and "I" as words of a sentence, not as names of an option.
_WORD = re.compile(
    r"\s{1,3}(?!(?:or|and|is|are|was|as|but|because|since|seems|can|cannot|does|would|must|should)\b)[a-z]"
)


def multiple_choice(
    completion: str, answer: Any, choices: Sequence[str] | None, *, prompt_opens_think: bool = False
) -> float | None:
    r"""1.0 when the completion chooses the right option, else 0.0.

    Args:
        completion: the text of one completion.
        answer: the right option: its letter (`B`, `(B)`), its number counted from 0 (as MMLU has it), or its text.
        choices: the options' texts, A first (a data column, or a constant); `null` for letters alone.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        1.0 or 0.0; None when the right answer is none of the choices. The completion's choice is read from the
        last `<answer>…</answer>`, else the last `\boxed{…}`, else what it says last in words ("the answer is
        (B)"), else the whole text if it is a letter or an option's text, or mentions one option and no other.

    Example:
        >>> options = ["Rome", "Paris", "Bern"]
        >>> multiple_choice("It is not (A). The answer is (B).", "B", options)
        1.0
        >>> multiple_choice("<answer>Paris</answer>", 1, options), multiple_choice("A or B", "B", options)
        (1.0, 0.0)
        >>> multiple_choice("**B.** Paris", "B", None)
        1.0
    """
    options = [normalise(str(option)) for option in choices or []]
    right = _index(answer, options)
    if right is None:
        return None
    text = finished_text(completion, prompt_opens_think)
    if text is None or not text.strip():
        return 0.0
    return float(chosen(text, options) == right)


def chosen(text: str, options: Sequence[str] = ()) -> int | None:
    """The option that an answer chooses, counted from 0, or None.

    Args:
        text: a completion without its reasoning.
        options: the options' texts, normalised; may be empty.

    Example:
        >>> chosen("I pick option C."), chosen("Either A or C.")
        (2, None)
    """
    for explicit in (last_answer_tag(text), last_boxed(text)):
        if explicit is not None:
            found = _alone(explicit, options)
            return _said(explicit, options) if found is None else found
    if (found := _said(text, options)) is not None:
        return found
    if (found := _alone(text, options)) is not None:
        return found
    return _only_mention(text, options)


def _index(answer: Any, options: Sequence[str]) -> int | None:
    if is_empty(answer):
        return None
    written = str(answer).strip()
    if normalise(written) in options:
        return list(options).index(normalise(written))
    if isinstance(answer, int) or written.isdecimal():
        number = int(written)
        return number if 0 <= number < (len(options) or 26) else None
    match = _ALONE.fullmatch(written)
    return None if match is None else _letter(match[1], options)


def _letter(letter: str, options: Sequence[str]) -> int | None:
    number = ord(letter.upper()) - ord("A")
    return number if number < (len(options) or 26) else None


def _alone(text: str, options: Sequence[str]) -> int | None:
    """An answer that is an option's text, or begins with its letter as `B.` or `(B) Paris`."""
    bare = normalise(text[:2000]) if len(text) <= 2000 else ""
    if bare and bare in options:
        return list(options).index(bare)
    match = _ALONE.match(text)
    if match is None:
        match = re.match(r"\s{0,9}[(\[*]{1,3}([A-Za-z])[)\]*]{1,3}", text)
    if match is None:
        return None
    others = {_letter(found, options) for found in _letters(text)} - {_letter(match[1], options), None}
    return None if others else _letter(match[1], options)


def _said(text: str, options: Sequence[str]) -> int | None:
    last = None
    for match in _SAID.finditer(text):
        # "the answer is a prime" names no option.
        if match[1].isupper() or _ENDED.match(text, match.end()):
            last = match
    if last is not None:
        # "the answer is A or B" settles on neither.
        after = text[last.end() : last.end() + 12]
        other = re.match(rf"\s{{0,3}}(?:,|or\b|and\b|/)\s{{0,3}}{_LETTER}", after)
        return None if other and other[1].isupper() else _letter(last[1], options)
    return None


def _only_mention(text: str, options: Sequence[str]) -> int | None:
    letters = {_letter(found, options) for found in _letters(text)} - {None}
    lowered = normalise(text)
    texts = {
        number
        for number, option in enumerate(options)
        if option and re.search(rf"(?<!\w){re.escape(option)}(?!\w)", lowered)
    }
    both = letters | texts
    return both.pop() if len(both) == 1 else None


def _letters(text: str) -> set[str]:
    """The capital letters that stand alone; `A` and `I` as words of a sentence are none."""
    found = set()
    for match in _MENTION.finditer(text):
        word = match[0] in ("A", "I") and _WORD.match(text, match.end())
        if match[1].isupper() and not word:
            found.add(match[1])
    return found
