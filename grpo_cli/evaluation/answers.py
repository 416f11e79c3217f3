"""Reading the answer out of a completion, so that answers can be counted for maj@k. Light.

A reward says whether a completion is right, not what it answers; the readers here look where the reward of the same
name looks. Rewards without one answer to read (tests of code, judges) have none, and then there is no maj@k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grpo_cli.config.importer import import_target

Reader = Callable[[str, Mapping[str, Any]], "str | None"]


def reads_answers(entries: Mapping[str, Mapping[str, Any]], own: str | None) -> bool:
    """Whether maj@k can be told with these rewards, or with a function of the user's own."""
    return bool(own) or _readable(entries) is not None


def answer_reader(
    entries: Mapping[str, Mapping[str, Any]], own: str | None = None, prompt_opens_think: bool = False
) -> Reader | None:
    """The function that reads an answer.

    Args:
        entries: the rewards that score the evaluation.
        own: `evaluation.answer`, a function of a completion's text; it wins.
        prompt_opens_think: whether completions start inside a `<think>` of the prompt.

    Returns:
        From a completion's text and its row's columns to the answer, written so that equal answers are equal texts;
        None where a completion gives no answer. None in place of the function where nothing can be read.

    Raises:
        ConfigError: `own` cannot be imported.

    Example:
        >>> read = answer_reader({"right": {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}})
        >>> read("<answer>1,234.0</answer>", {"answer": "1"}), read("no idea", {"answer": "1"})
        ('1234', None)
    """
    if own:
        function = import_target(own)

        def read_own(text: str, columns: Mapping[str, Any]) -> str | None:
            found = function(text)
            return None if found is None else str(found)

        return read_own
    entry = _readable(entries)
    if entry is None:
        return None
    return _READERS[str(entry["target"])]({"prompt_opens_think": prompt_opens_think, **entry})


def _readable(entries: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    known = (e for e in entries.values() if e.get("correctness") and str(e.get("target")) in _READERS)
    return next(known, None)


def _exact_match(entry: Mapping[str, Any]) -> Reader:
    from grpo_cli.rewards.correctness import extract_answer
    from grpo_cli.rewards.extract import normalise, parse_number

    numeric, fold = entry.get("numeric", True), entry.get("ignore_case", True)

    def read(text: str, columns: Mapping[str, Any]) -> str | None:
        gold = columns.get(str(entry.get("answer") or "answer"))
        golds = gold if isinstance(gold, list) else [gold]
        found = extract_answer(
            text,
            entry.get("extract", "auto"),
            pattern=entry.get("pattern"),
            prompt_opens_think=entry.get("prompt_opens_think", False),
            numeric_answer=numeric and any(one is not None and parse_number(str(one)) is not None for one in golds),
        )
        number = parse_number(found) if found is not None and numeric else None
        if number is not None:
            return f"{number.normalize():f}"
        return None if found is None else normalise(found, fold) or None

    return read


def _numeric(entry: Mapping[str, Any]) -> Reader:
    return _exact_match({**entry, "numeric": True, "ignore_case": True})


def _math(entry: Mapping[str, Any]) -> Reader:
    from grpo_cli.rewards.extract import BOXED, normalise
    from grpo_cli.rewards.math_answer import find_answer, plain_number

    def read(text: str, columns: Mapping[str, Any]) -> str | None:
        opens = entry.get("prompt_opens_think", False)
        found = find_answer(text, plain=entry.get("plain", False), prompt_opens_think=opens)
        if found is None:
            return None
        content = found[0]
        if found[1] == "boxed" and content.count(BOXED) == 1:
            content = content[content.index(BOXED) + len(BOXED) : content.rindex("}")]
        number = plain_number(content.strip(" $"))
        return str(number) if number is not None else normalise(content)

    return read


def _choice(entry: Mapping[str, Any]) -> Reader:
    from grpo_cli.rewards.choice import chosen
    from grpo_cli.rewards.extract import finished_text, normalise

    def read(text: str, columns: Mapping[str, Any]) -> str | None:
        choices = columns.get("choices") or []
        finished = finished_text(text, entry.get("prompt_opens_think", False))
        found = chosen(finished, [normalise(str(option)) for option in choices]) if finished else None
        return None if found is None else str(found)

    return read


_READERS: dict[str, Callable[[Mapping[str, Any]], Reader]] = {
    "grpo_cli.rewards.correctness:exact_match": _exact_match,
    "grpo_cli.rewards.numeric:numeric": _numeric,
    "grpo_cli.rewards.math_answer:math": _math,
    "grpo_cli.rewards.choice:multiple_choice": _choice,
}
