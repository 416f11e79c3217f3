"""Student's t against printed tables, and against its own definition."""

from __future__ import annotations

import math
import random

import pytest

from grpo_cli.report.sweep.student import critical, mean_interval, mean_p, two_sided, welch

# Fisher and Yates, two-sided: (degrees of freedom, chance, t).
TABLE = [(1, 0.05, 12.706), (2, 0.05, 4.303), (2, 0.01, 9.925), (3, 0.05, 3.182), (4, 0.001, 8.610)]
TABLE += [(9, 0.05, 2.262), (10, 0.01, 3.169), (30, 0.05, 2.042), (120, 0.05, 1.980)]


@pytest.mark.parametrize(("freedom", "chance", "t"), TABLE)
def test_printed_tables_are_met(freedom, chance, t):
    assert critical(chance, freedom) == pytest.approx(t, abs=6e-4)
    assert two_sided(-t, freedom) == pytest.approx(chance, rel=2e-3)


def test_the_tail_is_the_integral_of_the_density():
    for freedom in (1, 2, 3, 6, 7, 25):
        constant = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)
        width = 1.7 / 20000
        inside = sum((1 + ((i + 0.5) * width) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(20000)) * width
        assert two_sided(1.7, freedom) == pytest.approx(1 - 2 * constant * inside, abs=1e-8)


def test_intervals_and_p_values_say_the_same():
    draw = random.Random(0)
    for _ in range(50):
        values = [draw.gauss(0.8, 1) for _ in range(4)]
        other = [draw.gauss(0, 2) for _ in range(3)]
        _, low, high = mean_interval(values, 0.03)
        assert (low > 0 or high < 0) == (mean_p(values) < 0.03)
        _, low, high, p = welch(values, other, 0.3)
        assert (low > 0 or high < 0) == (p < 0.3)
