"""What n sampled answers to a prompt say about taking k of them: pass@k, maj@k and best@k, without bias.

Each is the exact mean over all choices of k of the n answers. Averaging over disjoint groups of k, or putting the
share of right answers into 1 - (1 - p)^k, would be noisier or biased (Chen et al. 2021, arXiv 2107.03374).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that one of k answers drawn from n is right: 1 - C(n-c, k) / C(n, k) (arXiv 2107.03374, eq. 1).

    Args:
        n: answers.
        c: right ones among them.
        k: answers drawn, 1 to n.

    Returns:
        0 to 1.

    Raises:
        ValueError: k is more than n, or c is no number of answers.

    Example:
        >>> pass_at_k(5, 1, 1), pass_at_k(5, 1, 5), round(pass_at_k(10, 3, 5), 4)
        (0.2, 1.0, 0.9167)
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {n} answers, {c} of them right: k must be 1 to n, and c 0 to n")
    if n - c < k:
        return 1.0
    # As a product: the binomials of n = 200 would be no floating-point numbers.
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def best_at_k(values: Sequence[float], k: int) -> float:
    """The mean of the highest of k values drawn from n.

    With the values in ascending order the i-th (from 1) is the highest of k in C(i-1, k-1) of C(n, k) choices.

    Args:
        values: n values of the answers to a prompt, such as their rewards.
        k: answers drawn, 1 to n.

    Returns:
        The mean over all choices.

    Raises:
        ValueError: k is more than n.

    Example:
        >>> best_at_k([0.0, 1.0], 1), best_at_k([0.0, 1.0], 2), best_at_k([1.0, 2.0, 3.0], 2)
        (0.5, 1.0, 2.6666666666666665)
    """
    n = len(values)
    if not 1 <= k <= n:
        raise ValueError(f"best@{k} of {n} answers: k must be 1 to n")
    total = math.comb(n, k)
    ordered = sorted(values)
    # Integers first, so that large binomials cancel exactly.
    return float(sum((math.comb(i, k - 1) / total) * value for i, value in enumerate(ordered) if i >= k - 1))


def maj_at_k(answers: Sequence[Hashable | None], right: Sequence[float], k: int) -> float:
    """The chance that the most frequent of k answers drawn from n is right (self-consistency, arXiv 2203.11171).

    Args:
        answers: n answers; None for a completion that gives none, which has no vote.
        right: of each completion, whether it is right (1 or 0).
        k: answers drawn, 1 to n.

    Returns:
        The mean over all choices of k. Equally frequent answers share the vote; without any answer it is 0.

    Raises:
        ValueError: k is more than n.

    Example:
        >>> maj_at_k(["7", "7", "8"], [1, 1, 0], 3), maj_at_k(["7", "8"], [1, 0], 2), maj_at_k([None], [0], 1)
        (1.0, 0.5, 0.0)
    """
    n = len(answers)
    if not 1 <= k <= n:
        raise ValueError(f"maj@{k} of {n} answers: k must be 1 to n")
    counts = Counter(answer for answer in answers if answer is not None)
    silent = n - sum(counts.values())
    total = math.comb(n, k)
    won = 0.0
    for answer, count in counts.items():
        rightness = sum(float(r) for a, r in zip(answers, right, strict=True) if a == answer) / count
        if rightness:
            others = [other for key, other in counts.items() if key != answer]
            won += rightness * _wins(count, others, silent, k) / total
    return won


def _wins(count: int, others: Sequence[int], silent: int, k: int) -> float:
    """In how many choices of k an answer given `count` times is the most frequent; a tie of t counts 1/t."""
    won = 0.0
    for votes in range(1, min(count, k) + 1):
        # ways[(drawn, tied)]: choices among the others of which none has more votes and `tied` have as many.
        ways: dict[tuple[int, int], int] = {(0, 0): 1}
        for other in others:
            grown: dict[tuple[int, int], int] = {}
            for (drawn, tied), number in ways.items():
                for theirs in range(min(other, votes, k - votes - drawn) + 1):
                    state = (drawn + theirs, tied + (theirs == votes))
                    grown[state] = grown.get(state, 0) + number * math.comb(other, theirs)
            ways = grown
        own = math.comb(count, votes)
        won += sum(
            own * number * math.comb(silent, k - votes - drawn) / (tied + 1)
            for (drawn, tied), number in ways.items()
            if 0 <= k - votes - drawn <= silent
        )
    return won
