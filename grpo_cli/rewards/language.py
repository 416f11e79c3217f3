"""A reward for the language that the completion is written in."""

from __future__ import annotations

import re
from typing import Literal

from grpo_cli.rewards.extract import finished_text, is_empty
from grpo_cli.rewards.extras import require
from grpo_cli.rewards.text import END_THINK, THINK

# What py3langid tells apart, by code (ISO 639-1 where there is one).
_CODES = """
ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr
fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko
ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru
rw sa sdh se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue
zh zu zxx
"""
LANGUAGES = frozenset(_CODES.split())
# Text of no language: code, formulas, commands, links.
_FOREIGN = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\$[^$\n]*\$|\\[A-Za-z]+|https?://\S+", re.DOTALL)


def language(
    completion: str,
    language: str,
    *,
    part: Literal["answer", "reasoning", "all"] = "answer",
    share: bool = False,
    min_letters: int = 30,
    prompt_opens_think: bool = False,
) -> float | None:
    """1.0 when the text is in the wanted language, else 0.0; or the share of it that is.

    Args:
        completion: the text of one completion.
        language: its code, such as `en` or `de` (a data column, or a constant).
        part: `answer`: what follows the reasoning; `reasoning`: what stands before `</think>`; `all`.
        share: whether each line is judged by itself, weighted by its letters, so that switching the
            language half-way costs half. Lines with fewer than `min_letters` letters go with the whole.
        min_letters: with fewer letters nothing can be told. Code, formulas and links do not count.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        0.0 to 1.0; None where too few letters are there to tell, but 0.0 where nothing is there; None when the
        row names no language.

    Raises:
        ConfigError: py3langid is not installed.
        ValueError: the language is none that py3langid knows, `part` is unknown, `min_letters` is below 1.

    Example:
        >>> language("Die Antwort lautet zwölf, weil drei mal vier zwölf ist.", "de")
        1.0
        >>> language("The answer is twelve, since three times four is twelve.", "de"), language("12", "de")
        (0.0, None)
    """
    require("py3langid", "text")
    if part not in ("answer", "reasoning", "all"):
        raise ValueError(f"part must be answer, reasoning or all, not {part!r}")
    if min_letters < 1:
        raise ValueError(f"min_letters must be 1 or more, not {min_letters}")
    if is_empty(language):
        return None
    if language not in LANGUAGES:
        raise ValueError(f"language must be a code such as en or de that py3langid knows, not {language!r}")
    text = _part(completion, part, prompt_opens_think)
    if not text.strip():
        return 0.0
    text = _FOREIGN.sub(" ", text).replace(THINK, " ").replace(END_THINK, " ")
    letters = _letters(text)
    if letters < min_letters:
        return None
    if not share:
        return float(_classify(text) == language)
    lines = [(line, count) for line in text.splitlines() if (count := _letters(line)) >= min_letters]
    if not lines:
        return float(_classify(text) == language)
    total = sum(count for _, count in lines)
    return sum(count for line, count in lines if _classify(line) == language) / total


def _part(completion: str, part: str, prompt_opens_think: bool) -> str:
    if part == "all":
        return completion
    if part == "answer":
        return finished_text(completion, prompt_opens_think) or ""
    reasoning, closed, _ = completion.rpartition(END_THINK)
    if closed:
        return reasoning
    return completion if prompt_opens_think or THINK in completion else ""


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _classify(text: str) -> str:
    from py3langid import classify

    # Lone surrogates have no UTF-8, which the classifier reads.
    return str(classify(text.encode("utf-8", "ignore").decode("utf-8"))[0])


def preload() -> None:
    """Import the classifier and its tables, which the first call would."""
    _classify("hello")
