"""Prompts that occur twice, within a set or across two: exactly, but for form, or nearly.

Near ones are found by MinHash (Broder 1997) over character shingles with locality-sensitive banding, and confirmed by
their true Jaccard similarity. Two prompts with different numbers are different problems, however alike they read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grpo_cli.rewards.text import content_text

_SHINGLE = 5  # characters
_BANDS, _ROWS = 12, 4  # of 48 hashes: similarity 0.7 is found in 96 of 100 cases, 0.4 in 27
_NEAR = 0.7
_PRIME = (1 << 31) - 1
_SEED = 20240208
_OPERATOR = re.compile(r"(?<=\d)\s*([^\w\s])\s*(?=\d)")
_PUNCTUATION = re.compile(r"(?<!\d)[^\w\s]|[^\w\s](?!\d)|_")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Pair:
    """Two prompts that are the same, or nearly.

    Attributes:
        train: place in the training set.
        test: place in the held-out set.
        kind: "exact", "normalised" (but for case, blanks and punctuation) or "near".
        similarity: Jaccard similarity of their shingles.
    """

    train: int
    test: int
    kind: str
    similarity: float


def question_text(prompt: Any) -> str:
    """What a prompt asks: its text, or the last message of the user (a system prompt is common to all)."""
    if isinstance(prompt, str):
        return prompt
    users = [content_text(m.get("content")) for m in prompt if m.get("role") == "user"]
    return users[-1] if users else " ".join(content_text(m.get("content")) for m in prompt)


def normalised(text: str) -> str:
    """A text but for case, blanks and punctuation; signs between numbers stay.

    Example:
        >>> normalised("  What is 3 + 4 ?"), normalised("what IS 3+4")
        ('what is 3+4', 'what is 3+4')
    """
    text = _OPERATOR.sub(r"\1", text.lower())
    return " ".join(_PUNCTUATION.sub(" ", text).split())


def duplicates(texts: Sequence[str]) -> int:
    """How many texts repeat an earlier one exactly."""
    return len(texts) - len(set(texts))


def leaks(train: Sequence[str], test: Sequence[str]) -> list[Pair]:
    """Find training prompts that are, or nearly are, held-out prompts.

    Args:
        train: N texts.
        test: M texts.

    Returns:
        One pair per leaking training text, its most similar held-out text.
    """
    exact = {text: i for i, text in reversed(list(enumerate(test)))}
    forms_test = [normalised(text) for text in test]
    by_form = {text: i for i, text in reversed(list(enumerate(forms_test)))}
    found: list[Pair] = []
    rest: list[tuple[int, str]] = []
    for i, text in enumerate(train):
        form = normalised(text)
        if text in exact:
            found.append(Pair(i, exact[text], "exact", 1.0))
        elif form in by_form:
            found.append(Pair(i, by_form[form], "normalised", 1.0))
        else:
            rest.append((i, form))
    return sorted([*found, *_near(rest, forms_test)], key=lambda pair: pair.train)


def _near(train: list[tuple[int, str]], test: Sequence[str]) -> Iterable[Pair]:
    # Only texts with the very same numbers can be the same problem, so nothing else is compared.
    wanted = {_numbers(text) for text in test}
    train = [(i, text) for i, text in train if _numbers(text) in wanted]
    shingles_test = [_shingles(text) for text in test]
    buckets: dict[tuple[Any, ...], list[int]] = {}
    for j, (text, shingles) in enumerate(zip(test, shingles_test, strict=True)):
        for band in _bands(shingles):
            buckets.setdefault((_numbers(text), *band), []).append(j)
    for i, text in train:
        shingles = _shingles(text)
        candidates = {j for band in _bands(shingles) for j in buckets.get((_numbers(text), *band), ())}
        best = max(((_jaccard(shingles, shingles_test[j]), j) for j in candidates), default=(0.0, -1))
        if best[0] >= _NEAR:
            yield Pair(i, best[1], "near", best[0])


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(sorted(_NUMBER.findall(text)))


def _shingles(text: str) -> np.ndarray:
    """Hashes of a text's shingles, sorted and distinct."""
    size = max(1, len(text) - _SHINGLE + 1)
    hashed = {hashlib.blake2b(text[i : i + _SHINGLE].encode(), digest_size=4).digest() for i in range(size)}
    return np.unique(np.frombuffer(b"".join(hashed), dtype=np.uint32).astype(np.int64) % _PRIME)


_random = np.random.default_rng(_SEED)
_FACTORS = _random.integers(1, _PRIME, size=(_BANDS * _ROWS, 1), dtype=np.int64)
_SHIFTS = _random.integers(0, _PRIME, size=(_BANDS * _ROWS, 1), dtype=np.int64)


def _bands(shingles: np.ndarray) -> list[tuple[int, bytes]]:
    """The text's MinHash signature, cut into bands: equal bands make candidates."""
    signature = ((_FACTORS * shingles + _SHIFTS) % _PRIME).min(axis=1).reshape(_BANDS, _ROWS)
    return [(number, band.tobytes()) for number, band in enumerate(signature)]


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    common = np.intersect1d(one, other, assume_unique=True).size
    return common / (one.size + other.size - common)
