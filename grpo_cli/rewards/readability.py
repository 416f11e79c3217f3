"""Readability: whether a text is written for readers of the wanted school grade."""

from __future__ import annotations

import functools
from typing import Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.extras import require
from grpo_cli.rewards.prose import prose, units

# Those that count syllables look them up in the CMU pronouncing dictionary.
_WITH_SYLLABLES = ("flesch_kincaid_grade", "gunning_fog")
_FORMULAS = ("automated_readability_index", "coleman_liau_index", *_WITH_SYLLABLES)


def readability(
    completion: str,
    *,
    formula: Literal[
        "automated_readability_index", "coleman_liau_index", "flesch_kincaid_grade", "gunning_fog"
    ] = "automated_readability_index",
    lowest: float = 6.0,
    highest: float = 9.0,
    falloff: float = 4.0,
    min_words: int = 20,
    prompt_opens_think: bool = False,
) -> float:
    """1.0 for a text of the wanted US school grade, falling to 0.0 on both sides of it.

    Args:
        completion: the text of one completion; what stands in `<answer>` counts, or all after the reasoning.
        formula: how the grade is reckoned, by the package textstat, for English. The first two count letters;
            `flesch_kincaid_grade` and `gunning_fog` count syllables with a dictionary that is installed once,
            by `python -m nltk.downloader cmudict`.
        lowest: the lowest wanted grade (6: for readers of about eleven).
        highest: the highest wanted grade.
        falloff: how many grades outside the band the reward reaches 0.0; above 0.
        min_words: the formulas say nothing of short texts; fewer words than this get 0.0.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        0.0 to 1.0; 0.0 for an empty completion.

    Raises:
        ValueError: an unknown formula, or a band that is none.
        ConfigError: the package textstat, or the dictionary, is missing.

    Example:
        >>> text = "Whales are large mammals. They live in every ocean of the world, and they breathe air. Many travel."
        >>> [round(readability(text, lowest=low, highest=low + 2, min_words=15), 2) for low in (1, 3, 10)]
        [0.62, 1.0, 0.0]
        >>> readability("Yes.")
        0.0
    """
    if formula not in _FORMULAS:
        raise ValueError(f"formula must be one of {', '.join(_FORMULAS)}, not {formula!r}")
    if lowest > highest:
        raise ValueError(f"lowest ({lowest}) must not be above highest ({highest})")
    if not falloff > 0:
        raise ValueError(f"falloff must be above 0, not {falloff}")
    if min_words < 1:
        raise ValueError(f"min_words must be 1 or more, not {min_words}")
    require("textstat", "text")
    if formula in _WITH_SYLLABLES:
        _require_dictionary(formula)
    text = prose(completion, prompt_opens_think)
    if len(units(text, "words")) < min_words:
        return 0.0
    import textstat

    grade = getattr(textstat, formula)(text)
    outside = max(lowest - grade, grade - highest, 0.0)
    return max(0.0, 1.0 - outside / falloff)


def preload() -> None:
    """Import what the first call would; it takes a good part of a second."""
    import textstat  # noqa: F401


@functools.cache
def _require_dictionary(formula: str) -> None:
    """Refuse here: textstat would download the dictionary while training, and fail where there is no network."""
    import nltk

    try:
        nltk.data.find("corpora/cmudict")
    except LookupError:
        raise ConfigError(
            f"The readability formula {formula} needs a dictionary: run python -m nltk.downloader cmudict, or write "
            "formula: automated_readability_index"
        ) from None
