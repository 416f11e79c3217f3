"""Rewards for free-text answers with references: token F1 and exact match, as SQuAD scores them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from grpo_cli.rewards.extract import finished_text, is_empty, last_answer_tag

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def token_f1(
    completion: str,
    answer: Any,
    *,
    measure: Literal["f1", "em"] = "f1",
    extract: Literal["auto", "answer_tag", "whole"] = "auto",
    prompt_opens_think: bool = False,
) -> float | None:
    r"""How far the words of the answer are those of a reference: F1 over tokens, or exact match.

    .. math:: F_1 = \frac{2 P R}{P + R}

    where P is the share of the answer's words that the reference has and R the share of the reference's words
    that the answer has. From "SQuAD: 100,000+ Questions for Machine Comprehension of Text", arXiv 1606.05250.

    Args:
        completion: the text of one completion.
        answer: the reference; a list of them where several are good (the best counts), or SQuAD's own
            `{"text": [...]}`.
        measure: `f1`, or `em`: 1.0 when the normalised texts are equal, else 0.0.
        extract: where the answer stands: `answer_tag` the last `<answer>…</answer>`, `whole` all that follows the
            reasoning, `auto` the tag where there is one, else all.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        0.0 to 1.0; None when there is no reference.

    Raises:
        ValueError: `measure` or `extract` is unknown.

    Example:
        >>> token_f1("The blue whale.", "blue whale"), token_f1("a very large blue whale", "blue whale")
        (1.0, 0.6666666666666666)
        >>> token_f1("<answer>Blue Whale</answer>", ["whale", "the blue whale"], measure="em")
        1.0
    """
    if measure not in ("f1", "em"):
        raise ValueError(f"measure must be f1 or em, not {measure!r}")
    if extract not in ("auto", "answer_tag", "whole"):
        raise ValueError(f"extract must be auto, answer_tag or whole, not {extract!r}")
    if isinstance(answer, Mapping):
        answer = answer.get("text")
    references = answer if isinstance(answer, list | tuple) else [answer]
    wanted = [squad_tokens(str(one)) for one in references if not is_empty(one)]
    # (A reference of nothing but articles and punctuation asks for nothing.)
    wanted = [tokens for tokens in wanted if tokens]
    if not wanted:
        return None
    finished = finished_text(completion, prompt_opens_think)
    if finished is None:
        return 0.0
    tag = None if extract == "whole" else last_answer_tag(finished)
    if tag is None and extract == "answer_tag":
        return 0.0
    given = squad_tokens(finished if tag is None else tag)
    if measure == "em":
        return float(given in wanted)
    return max(_f1(given, tokens) for tokens in wanted)


def squad_tokens(text: str) -> list[str]:
    """The words of a text as SQuAD compares them: lower case, no punctuation, no articles.

    Example:
        >>> squad_tokens("The U.S.  Army, an army")
        ['us', 'army', 'army']
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _f1(given: list[str], wanted: list[str]) -> float:
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted)) if shared else 0.0
