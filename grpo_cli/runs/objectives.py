"""What a run is judged by: one metric or several, each with the direction in which it gets better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grpo_cli.runs.metrics import number

MAXIMIZE, MINIMIZE = "maximize", "minimize"


class Objective(NamedTuple):
    """A metric and its direction.

    Attributes:
        name: the metric's name, `eval/held_out/accuracy`.
        direction: `maximize` or `minimize`.
    """

    name: str
    direction: str = MAXIMIZE


def as_list(value: Any) -> list[str]:
    """A key that takes one word or a list of them, as a list."""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return [str(each) for each in value] if several else [str(value)]


def objectives_of(config: Mapping[str, Any]) -> list[Objective]:
    """The objectives of a configuration, in order; one direction serves all of them."""
    names, directions = as_list(config["objective"]), as_list(config.get("direction") or MAXIMIZE)
    return pair(names, directions)


def pair(names: Sequence[str], directions: Sequence[str]) -> list[Objective]:
    """Names with their directions; where there are fewer directions, the first one serves the rest."""
    first = directions[0] if directions else MAXIMIZE
    return [Objective(n, directions[i] if i < len(directions) else first) for i, n in enumerate(names)]


def as_keys(objectives: Sequence[Objective]) -> dict[str, Any]:
    """Objectives as the keys `objective` and `direction` hold them: words for one, lists for several."""
    if len(objectives) == 1:
        return {"objective": objectives[0].name, "direction": objectives[0].direction}
    return {"objective": [o.name for o in objectives], "direction": [o.direction for o in objectives]}


def as_result(objectives: Sequence[Objective], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `result.json` that says how a run did: `objective`, and `objectives` where there are several.

    Args:
        objectives: in order.
        metrics: what was measured, by name.
    """
    rows = [{"name": o.name, "value": metrics.get(o.name), "direction": o.direction} for o in objectives]
    return {"objective": rows[0], **({"objectives": rows} if len(rows) > 1 else {})}


def rows_in(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objectives of a `result.json` as it holds them: `name`, `value`, `direction` each."""
    rows = result.get("objectives") or [result.get("objective")]
    return [row for row in rows if isinstance(row, Mapping) and row.get("name")]


def objectives_in(result: Mapping[str, Any]) -> list[Objective]:
    """The objectives that a `result.json` names, in order; none where it has none yet."""
    return [Objective(str(r["name"]), str(r.get("direction") or MAXIMIZE)) for r in rows_in(result)]


def values_in(result: Mapping[str, Any]) -> list[float | None]:
    """The value of each of them, in order; None where it was not measured."""
    return [number(row, "value") for row in rows_in(result)]


def short_names(objectives: Sequence[Objective]) -> list[str]:
    """Names for a narrow table: without `eval/` and `held_out/`, as long as they stay different."""
    names = [o.name for o in objectives]
    short = [name.removeprefix("eval/").removeprefix("held_out/") for name in names]
    return short if len(set(short)) == len(short) else names
