"""The Pareto front: what no other beats in every objective at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grpo_cli.runs.objectives import MINIMIZE


def pareto_front(values: Sequence[Sequence[float | None]], directions: Sequence[str]) -> list[int]:
    """Find the points that no other point dominates.

    A point dominates another if it is at least as good in every objective and better in one (Deb, Multi-Objective
    Optimization using Evolutionary Algorithms, 2001, section 2.4). So equal points are on the front together. A point
    with a value that is missing or not finite is not compared: it is not on the front, and dominates none.

    Args:
        values: for each point its value in each objective.
        directions: `maximize` or `minimize` for each objective.

    Returns:
        The indices of the points on the front, rising.

    Raises:
        ValueError: a point has another number of values than there are directions.
    """
    signs = [-1.0 if direction == MINIMIZE else 1.0 for direction in directions]
    points = []
    for index, point in enumerate(values):
        given = [value for value in point if value is not None and math.isfinite(value)]
        if len(point) != len(signs):
            raise ValueError(f"point {index} has {len(point)} values for {len(signs)} objectives")
        if len(given) == len(signs):
            points.append((tuple(sign * value for sign, value in zip(signs, given, strict=True)), index))
    # From the best in the first objective on (then the second, …), a point is dominated only by one before it, and
    # then by one of the front as well: domination is transitive.
    front: list[tuple[tuple[float, ...], int]] = []
    for point, index in sorted(points, key=lambda p: p[0], reverse=True):
        if not any(_dominates(other, point) for other, _ in front):
            front.append((point, index))
    return sorted(index for _, index in front)


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))
