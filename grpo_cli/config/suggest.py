"""What the user probably meant, among the words that exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the choice most like a word.

    Args:
        word: what was written.
        choices: what can be written.
        cutoff: least similarity (0 to 1) that counts as meant.
    """
    table = {str(choice).lower(): str(choice) for choice in choices}
    found = difflib.get_close_matches(str(word).lower(), list(table), n=1, cutoff=cutoff)
    return table[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Suggest a word at the end of a sentence: "; did you mean 'x'?", or "" where nothing comes near."""
    meant = nearest(word, choices)
    return f"; did you mean '{meant}'?" if meant is not None else ""


def meant_or_known(word: str, choices: Iterable[str]) -> str:
    """Suggest a word, or where nothing comes near list the words there are: "; there are: a, b"."""
    known = list(choices)
    return did_you_mean(word, known) or (f"; there are: {or_list(known, 12)}" if known else "")


def or_list(choices: Iterable[object], limit: int = 14) -> str:
    """Write choices in a row for a sentence, cut where there are many."""
    words = [str(c) for c in choices]
    return ", ".join(words[:limit]) + (", …" if len(words) > limit else "")
