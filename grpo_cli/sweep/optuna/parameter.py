"""One dimension of a search space, read from Hydra's own sweep syntax. Light: Optuna is asked only for values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from grpo_cli.errors import ConfigError
from grpo_cli.sweep.optuna.condition import Condition

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

FIGURES = 4  # significant ones of a fraction
DIGITS = 12  # of the steps of a range of fractions: 0.1 + 2 × 0.1 is 0.3


@dataclass(frozen=True)
class Parameter:
    """One parameter of the search space.

    Attributes:
        key: the key or group it sets; its name in Optuna.
        prefix: "+" or "++" where the override has one.
        choices: the values, as override text; empty for numbers.
        low: the least value.
        high: the greatest value, itself included.
        step: between two values; None: all fractions between.
        log: whether orders of magnitude are equally likely.
        when: what has to hold for it to be suggested.
    """

    key: str
    prefix: str = ""
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    when: tuple[Condition, ...] = ()

    @property
    def is_int(self) -> bool:
        """Whether its values are whole numbers."""
        return not self.choices and isinstance(self.low, int)

    def suggest(self, trial: Trial) -> Any:
        """Let a trial suggest a value."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if self.is_int:
            return trial.suggest_int(self.key, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        value = trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)
        return round(value, DIGITS) if self.step else value

    def distribution(self) -> BaseDistribution:
        """What Optuna calls it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.is_int:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def override(self, value: Any) -> str:
        """The override that sets a suggested value; a fraction is written as exactly as a person would."""
        if isinstance(value, float) and self.step is None:
            value = self._readable(value)
        return f"{self.prefix}{self.key}={value}"

    def _readable(self, value: float) -> float:
        """A fraction with four digits, more where the interval is narrow, and inside it."""
        sizes = [abs(size) for size in (value, self.high - self.low) if size]
        digits = max((FIGURES - 1 - math.floor(math.log10(size)) for size in sizes), default=0)
        return min(max(round(value, digits), self.low), self.high)

    def points(self) -> list[Any]:
        """All values, for a grid.

        Raises:
            ConfigError: there is no end to them.
        """
        if self.choices:
            return list(self.choices)
        if self.step is None:
            raise ConfigError(
                f"sweep.sampler=grid: {self.key} is an interval, which has no end of points; write "
                f"{self.key}=choice(…) or {self.key}=range(start,stop,step)."
            )
        count = round((self.high - self.low) / self.step) + 1
        values = [self.low + index * self.step for index in range(count)]
        return [int(v) if self.is_int else round(v, DIGITS) for v in values]

    def ends(self) -> Sequence[Any]:
        """The values to check beforehand: the choices as text, of numbers the least and the greatest."""
        return self.choices or (self.low, self.high)

    def after(self, when: tuple[Condition, ...]) -> Parameter:
        """The same under conditions."""
        return replace(self, when=when)


def read_parameter(override: Override, whole: bool) -> Parameter:
    """Read a sweep override.

    Args:
        override: as Hydra parsed it.
        whole: whether its key takes whole numbers only.

    Raises:
        ConfigError: it makes no sense as a range of values.
    """
    text = override.get_key_element()
    key = text.lstrip("+")
    prefix = text[: len(text) - len(key)]
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval(key, prefix, value, whole)
    if isinstance(value, RangeSweep):
        return _range(key, prefix, value)
    log = "log" in getattr(value, "tags", ())
    if log:
        raise ConfigError(f"{key}: tag(log, …) goes with interval(…) or int(interval(…)), not with single values.")
    choices = tuple(dict.fromkeys(override.sweep_string_iterator()))
    if not choices:
        raise ConfigError(f"{key}={override.get_value_string()}: there is nothing to choose from.")
    return Parameter(key, prefix, choices)


def _interval(key: str, prefix: str, value: IntervalSweep, whole: bool) -> Parameter:
    assert value.start is not None and value.end is not None
    low, high, log = value.start, value.end, "log" in value.tags
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise ConfigError(f"{key} takes whole numbers; write {key}=interval({math.ceil(low)},{math.floor(high)}).")
    if whole or isinstance(low, int):  # int(interval(…))
        low, high = int(low), int(high)
    _ordered(key, low, high, log)
    return Parameter(key, prefix, low=low, high=high, step=1 if isinstance(low, int) else None, log=log)


def _range(key: str, prefix: str, value: RangeSweep) -> Parameter:
    start, stop, step = value.start, value.stop, value.step
    assert start is not None and stop is not None
    if step == 0 or (stop - start) * step <= 0:
        raise ConfigError(f"{key}: range({start},{stop},{step}) is empty; write range(start,stop,step), stop excluded.")
    count = math.ceil(round((stop - start) / step, DIGITS))  # the stop is not one of them, as in Hydra
    last = start + (count - 1) * step
    low, high, step, log = min(start, last), max(start, last), abs(step), "log" in value.tags
    _ordered(key, low, high, log)
    if log and step != 1:
        raise ConfigError(f"{key}: tag(log, …) goes with interval(…) or int(interval(…)), not with steps of {step}.")
    if all(isinstance(number, int) for number in (low, high, step)):
        return Parameter(key, prefix, low=int(low), high=int(high), step=int(step), log=log)
    return Parameter(key, prefix, low=float(low), high=round(float(high), DIGITS), step=float(step))


def _ordered(key: str, low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ConfigError(f"{key}: {low} to {high} is no interval; write interval(<least>,<greatest>).")
    if log and low <= 0:
        raise ConfigError(f"{key}: tag(log, …) needs values above 0, not {low}; write tag(log,interval(1e-6,{high})).")
