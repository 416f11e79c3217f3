"""Diversity inside a group: rewards for completions of one prompt that differ from each other.

Both give each completion its own value, since a value that a whole group shares has no advantage in GRPO.
A group is a run of neighbours with the same prompt in the batch that this process scores.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from grpo_cli.rewards.prose import ngrams, prose_of_batch, units


def distinct_n(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    n: int = 2,
    unit: Literal["words", "characters"] = "words",
    prompt_opens_think: Sequence[bool] | None = None,
) -> list[float | None]:
    """How much of each completion's n-grams is its own: neither repeated in it nor found in its group.

    After distinct-n (Li et al. 2016, arXiv 1510.03055): distinct n-grams over all n-grams. Here each distinct n-gram
    counts by the share of the group's other completions that do not have it.

    Args:
        prompts: what the completions answer; equal neighbours make a group.
        completions: strings or message lists.
        n: length of the n-grams.
        unit: `words`, or `characters` for languages without blanks.
        prompt_opens_think: for each completion, whether it starts inside a `<think>` of the prompt.

    Returns:
        0.0 (all texts of the group are equal) to 1.0 (nothing repeated, nothing shared); 0.0 for an empty
        completion; None for one that is alone in its group.

    Raises:
        ValueError: `n` is below 1, or the unit is unknown.

    Example:
        >>> distinct_n(["?"] * 3, ["the old whale", "the old shark", "a b"])
        [0.75, 0.75, 1.0]
        >>> distinct_n(["?", "?", "!"], ["the same", "the same", "alone"])
        [0.0, 0.0, None]
    """
    _check(n, unit, "n")
    scores: list[float | None] = []
    for group in _groups(prompts, prose_of_batch(completions, prompt_opens_think)):
        texts = [ngrams(units(text, unit), n) for text in group]
        holders = Counter(gram for grams in texts for gram in set(grams))
        others = len(texts) - 1
        for grams in texts:
            if not others:
                scores.append(None)
            elif not grams:
                scores.append(0.0)
            else:
                own = sum(1 - (holders[gram] - 1) / others for gram in set(grams))
                scores.append(own / len(grams))
    return scores


def self_bleu(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    max_n: int = 4,
    unit: Literal["words", "characters"] = "words",
    prompt_opens_think: Sequence[bool] | None = None,
) -> list[float | None]:
    """1 minus each completion's BLEU against the others of its group (self-BLEU, Zhu et al. 2018, arXiv 1802.01886).

    BLEU is the geometric mean of the clipped n-gram precisions up to `max_n`, an order without a match counting
    0.1 matches (method 1 of Chen and Cherry 2014), and 0 without a single shared word. The brevity penalty is left
    out: here it would pay for writing less.

    Args:
        prompts: what the completions answer; equal neighbours make a group.
        completions: strings or message lists.
        max_n: longest n-grams; a text of fewer words is judged by those that it has.
        unit: `words`, or `characters` for languages without blanks.
        prompt_opens_think: for each completion, whether it starts inside a `<think>` of the prompt.

    Returns:
        0.0 (the text is made of pieces of others) to 1.0 (no word in common); 0.0 for an empty completion;
        None for one that is alone in its group.

    Raises:
        ValueError: `max_n` is below 1, or the unit is unknown.

    Example:
        >>> self_bleu(["?"] * 3, ["an old whale swims", "an old whale swims", "some fish"])
        [0.0, 0.0, 1.0]
    """
    _check(max_n, unit, "max_n")
    scores: list[float | None] = []
    for group in _groups(prompts, prose_of_batch(completions, prompt_opens_think)):
        texts = [units(text, unit) for text in group]
        if len(texts) == 1:
            scores.append(None)
            continue
        logs: list[list[float]] = [[] for _ in texts]
        for n in range(1, max_n + 1):
            for place, precision in enumerate(_precisions(texts, n)):
                if precision is not None:
                    logs[place].append(math.log(precision) if precision else -math.inf)
        scores.extend(1 - math.exp(sum(found) / len(found)) if found else 0.0 for found in logs)
    return scores


def _precisions(texts: Sequence[Sequence[str]], n: int) -> Iterator[float | None]:
    """Each text's share of n-grams that another text has as often; None where it is shorter than n.

    The largest count of each n-gram and the next one stand for all others, so time is linear in the texts.
    """
    counts = [Counter(ngrams(text, n)) if len(text) >= n else Counter() for text in texts]
    largest: dict[Any, tuple[int, int]] = {}
    for count in counts:
        for gram, times in count.items():
            first, second = largest.get(gram, (0, 0))
            largest[gram] = (max(first, times), max(second, min(first, times)))
    for count in counts:
        total = sum(count.values())
        if not total:
            yield None
            continue
        shared = 0
        for gram, times in count.items():
            first, second = largest[gram]
            # Where this text itself holds the largest count, the best of the others is the next one.
            shared += min(times, second if times == first else first)
        yield (shared or (0.1 if n > 1 else 0)) / total


def _groups(prompts: Sequence[Any], texts: Sequence[str]) -> Iterator[list[str]]:
    for _, members in itertools.groupby(zip(prompts, texts, strict=True), key=lambda pair: pair[0]):
        yield [text for _, text in members]


def _check(n: int, unit: str, name: str) -> None:
    if n < 1:
        raise ValueError(f"{name} must be 1 or more, not {n}")
    units("", unit)
