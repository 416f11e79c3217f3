import itertools
import math
import random

import numpy as np
import pytest

from grpo_cli.evaluation.estimators import best_at_k, maj_at_k, pass_at_k


def drawn(values, k):
    """Every choice of k of the values, by place."""
    return [[values[i] for i in places] for places in itertools.combinations(range(len(values)), k)]


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_pass_at_k_is_the_mean_over_all_choices(n):
    for c in range(n + 1):
        for k in range(1, n + 1):
            right = [1] * c + [0] * (n - c)
            assert pass_at_k(n, c, k) == pytest.approx(mean([any(chosen) for chosen in drawn(right, k)]))


@pytest.mark.parametrize(
    ("n", "c", "k", "value"),
    [
        # By hand: 1 - C(7,5)/C(10,5) = 1 - 21/252, 1 - C(190,100)/C(200,100), and pass@1 is the share of right ones.
        (10, 3, 5, 1 - 21 / 252),
        (200, 10, 1, 0.05),
        (200, 13, 100, 1 - math.comb(187, 100) / math.comb(200, 100)),
        (100, 1, 10, 0.1),
    ],
)
def test_pass_at_k_has_the_values_of_its_paper(n, c, k, value):
    reference = 1.0 if n - c < k else 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))  # arXiv 2107.03374, fig. 3
    assert pass_at_k(n, c, k) == pytest.approx(value, abs=1e-6)
    assert pass_at_k(n, c, k) == pytest.approx(reference)


def test_pass_at_k_is_unbiased_where_the_plain_power_is_not():
    rng = np.random.default_rng(0)
    p, n, k = 0.2, 6, 4
    counts = rng.binomial(n, p, size=40_000)
    truth = 1 - (1 - p) ** k
    assert mean([pass_at_k(n, int(c), k) for c in counts]) == pytest.approx(truth, abs=0.005)
    assert mean(1 - (1 - counts / n) ** k) < truth - 0.02


def test_best_at_k_is_the_mean_over_all_choices():
    values = [0.3, -1.0, 2.0, 2.0, 0.0, 7.5]
    for k in range(1, 7):
        assert best_at_k(values, k) == pytest.approx(mean([max(chosen) for chosen in drawn(values, k)]))


def test_best_at_k_of_verdicts_is_pass_at_k():
    assert best_at_k([1, 0, 0, 1, 0, 0, 0], 3) == pytest.approx(pass_at_k(7, 2, 3))


def majority(pairs):
    """Brute force: the most frequent answer; equally frequent ones share, and so do unequal verdicts of one answer."""
    given = [answer for answer, _ in pairs if answer is not None]
    if not given:
        return 0.0
    most = max(given.count(answer) for answer in given)
    winners = sorted({answer for answer in given if given.count(answer) == most})
    return mean([RIGHT[winner] for winner in winners])


RIGHT = {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}


def test_maj_at_k_is_the_mean_over_all_choices():
    rng = random.Random(0)
    for _ in range(60):
        n = rng.randint(1, 8)
        answers = [rng.choice(["a", "a", "b", "c", "d", None]) for _ in range(n)]
        right = [RIGHT.get(answer, 0.0) for answer in answers]
        for k in range(1, n + 1):
            expected = mean([majority(chosen) for chosen in drawn(list(zip(answers, right, strict=True)), k)])
            assert maj_at_k(answers, right, k) == pytest.approx(expected), (answers, k)


def test_a_majority_beats_single_answers_that_scatter():
    answers = ["7", "7", "7", "1", "2", "3", "4", "5"]
    right = [1, 1, 1, 0, 0, 0, 0, 0]
    assert maj_at_k(answers, right, 8) == 1.0 > maj_at_k(answers, right, 1) == 3 / 8


@pytest.mark.parametrize(
    "estimate", [lambda: pass_at_k(2, 1, 3), lambda: best_at_k([1.0], 2), lambda: maj_at_k([], [], 1)]
)
def test_more_answers_than_there_are_cannot_be_drawn(estimate):
    with pytest.raises(ValueError, match="k must be 1 to n"):
        estimate()
