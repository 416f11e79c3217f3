"""What a sweep varied: each key with every job's value, as a number on an axis or as a word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo_cli.report.settings import flat
from grpo_cli.report.sweep.groups import DEFAULT, SEEDS, key_of, own_overrides
from grpo_cli.report.sweep.read import Trial

SPREAD = 30.0
"""Positive values whose largest is at least so many times the smallest are drawn and fitted by their logarithm."""


@dataclass(frozen=True)
class Variable:
    """One key that a sweep varied.

    Attributes:
        key: the key.
        values: job number → its value: numbers throughout, or else text throughout.
    """

    key: str
    values: Mapping[int, Any]

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return all(isinstance(v, float) for v in self.values.values())

    @property
    def log(self) -> bool:
        """Whether its values spread so far that their logarithm is what counts."""
        return self.numeric and logarithmic(list(self.values.values()))

    @property
    def distinct(self) -> list[Any]:
        """Its values, each once: numbers by size, words by first sight."""
        found = list(dict.fromkeys(self.values.values()))
        return sorted(found) if self.numeric else found


def logarithmic(values: Sequence[float]) -> bool:
    """Whether positive numbers span more than a factor of `SPREAD`."""
    return min(values, default=0.0) > 0 and max(values) / min(values) >= SPREAD


def variables(trials: Sequence[Trial], seeds: bool = False) -> list[Variable]:
    """The keys in which jobs differ, in the order in which their overrides name them.

    Args:
        trials: the jobs.
        seeds: take the seed for one.

    Returns:
        Variables with more than one value. A key that some jobs leave alone has there what their configuration says.
    """
    parsed = {t.number: _by_key(t.overrides, seeds) for t in trials}
    configs = {t.number: flat(t.run.config) for t in trials}
    found = []
    for key in dict.fromkeys(key for one in parsed.values() for key in one):
        values = {n: _plain(one[key] if key in one else configs[n].get(key, DEFAULT)) for n, one in parsed.items()}
        if not all(isinstance(v, float) for v in values.values()):
            values = {n: v if isinstance(v, str) else f"{v:g}" for n, v in values.items()}
        if len(set(values.values())) > 1:
            found.append(Variable(key, values))
    return found


def _by_key(overrides: Sequence[str], seeds: bool) -> dict[str, str]:
    kept = {*own_overrides(overrides), *(o for o in overrides if seeds and key_of(o) in SEEDS)}
    return {key_of(o): "removed" if o.startswith("~") else o.partition("=")[2] for o in overrides if o in kept}


def _plain(value: object) -> float | str:
    """A value as a number where it is one, else as text without the quotes around it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    try:
        found = float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false", "null", "none") else text.strip("'\"") or "''"
    return found if math.isfinite(found) else text
