"""The text of a completion that a reader gets, and its parts: sentences, words, n-grams.

Everything here takes time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from grpo_cli.rewards.extract import finished_text, is_empty, last_answer_tag
from grpo_cli.rewards.text import completion_text

# A sentence ends at a mark that a blank follows (so not inside 3.14), at a full-width mark, or with its line.
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+|(?<=[。！？])|\n+")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SPACE = re.compile(r"\s")


def prose(completion: str, prompt_opens_think: bool = False) -> str:
    """What a reader is to read of a completion: no reasoning, no tags around the answer.

    Args:
        completion: the text of one completion.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        The content of the last `<answer>…</answer>` after the reasoning, or without one all that follows
        the reasoning; empty when the reasoning was never closed.

    Example:
        >>> prose("<think>hm</think> <answer> A whale. </answer>"), prose("A whale."), prose("<think>A whale.")
        ('A whale.', 'A whale.', '')
    """
    finished = finished_text(completion, prompt_opens_think)
    if finished is None:
        return ""
    answer = last_answer_tag(finished)
    # Lone surrogates are no text: tokenizers and encoders refuse them.
    return valid(finished if answer is None else answer).strip()


def prose_of_batch(completions: Sequence[Any], prompt_opens_think: Sequence[bool] | None = None) -> list[str]:
    """`prose` of each completion of a batch, strings or message lists.

    Example:
        >>> prose_of_batch(["a whale", [{"role": "assistant", "content": "<think></think>a shark"}]])
        ['a whale', 'a shark']
    """
    opens = prompt_opens_think or [False] * len(completions)
    return [prose(completion_text(c, o), o) for c, o in zip(completions, opens, strict=True)]


def valid(text: str) -> str:
    r"""The text with a question mark for each lone surrogate, which no encoder takes.

    Example:
        >>> valid("a\ud800b")
        'a?b'
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def references_of(reference: Any) -> list[str]:
    """The reference texts of one row: none, one, or the items of a list; empty ones are left out.

    Example:
        >>> references_of("a"), references_of(["a", "", 3]), references_of(None)
        (['a'], ['a', '3'], [])
    """
    several = reference if isinstance(reference, list | tuple) else [reference]
    return [valid(str(one)).strip() for one in several if not is_empty(one)]


def references_of_batch(reference: Any, count: int) -> list[list[str]]:
    """`references_of` each row; one text from the config stands for every row."""
    rows = [reference] * count if reference is None or isinstance(reference, str) else reference
    return [references_of(row) for row in rows]


def sentences(text: str) -> list[str]:
    """The sentences of a text; pieces without a letter or digit are left out.

    Example:
        >>> sentences("It is 3.14. Is it? Yes! \\n- a list\\n- of two\\n***")
        ['It is 3.14.', 'Is it?', 'Yes!', '- a list', '- of two']
    """
    return [piece.strip() for piece in _SENTENCE_END.split(text) if _WORD.search(piece)]


def units(text: str, unit: str) -> list[str]:
    """The words (case and punctuation aside) or the characters (blanks aside) of a text.

    Args:
        text: any text.
        unit: `words`, or `characters` for languages that write no blanks between words.

    Example:
        >>> units("It's a Whale!", "words"), units("鲸 鱼", "characters")
        (["it's", 'a', 'whale'], ['鲸', '鱼'])
    """
    if unit not in ("words", "characters"):
        raise ValueError(f"unit must be words or characters, not {unit!r}")
    return _WORD.findall(text.casefold()) if unit == "words" else list(_SPACE.sub("", text.casefold()))


def ngrams(items: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of `n` items; what is shorter than `n` is one run.

    Example:
        >>> ngrams(["a", "b", "c"], 2), ngrams(["a"], 2), ngrams([], 2)
        ([('a', 'b'), ('b', 'c')], [('a',)], [])
    """
    n = min(n, len(items))
    return [tuple(items[i : i + n]) for i in range(len(items) - n + 1)] if n else []
