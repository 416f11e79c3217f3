"""The Pareto front against its definition, point by point."""

import math
import random

import pytest

from grpo_cli.runs.pareto import pareto_front


def by_definition(values, directions):
    def usable(point):
        return all(v is not None and math.isfinite(v) for v in point)

    def dominates(one, other):
        pairs = [(a, b) if d == "maximize" else (b, a) for a, b, d in zip(one, other, directions, strict=True)]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    usables = [i for i, point in enumerate(values) if usable(point)]
    return [i for i in usables if not any(dominates(values[j], values[i]) for j in usables)]


@pytest.mark.parametrize("seed", range(200))
def test_it_is_the_front_of_the_definition(seed):
    draw = random.Random(seed)
    count, size = draw.randint(1, 4), draw.randint(0, 25)
    directions = [draw.choice(["maximize", "minimize"]) for _ in range(count)]
    # Few different values, so that there are ties; some missing, some not finite.
    pool = [0, 1, 2, 3, 0.5, -1.5, None, math.nan, math.inf, -math.inf]
    weights = [6, 6, 6, 6, 6, 6, 1, 1, 1, 1]
    values = [draw.choices(pool, weights, k=count) for _ in range(size)]
    assert pareto_front(values, directions) == by_definition(values, directions)


def test_accuracy_against_length():
    values = [(0.9, 30.0), (0.8, 20.0), (0.8, 25.0), (0.9, 30.0), (0.7, None), (math.nan, 1.0), (0.1, 40.0)]
    assert pareto_front(values, ["maximize", "minimize"]) == [0, 1, 3]
    assert pareto_front([], ["maximize"]) == []


def test_one_objective_keeps_all_of_the_best():
    assert pareto_front([[1.0], [3.0], [3.0]], ["maximize"]) == [1, 2]
    assert pareto_front([[1.0], [3.0], [3.0]], ["minimize"]) == [0]


def test_another_number_of_values_is_refused():
    with pytest.raises(ValueError, match="point 1 has 1 values for 2 objectives"):
        pareto_front([[1.0, 2.0], [1.0]], ["maximize", "minimize"])
