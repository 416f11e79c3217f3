"""`when`: a parameter that is suggested only where other suggested values are such and such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException

from grpo_cli.errors import ConfigError


@dataclass(frozen=True)
class Condition:
    """One condition, `key=value`, `key=value,value` or `key=interval(low,high)`.

    Attributes:
        key: the other parameter.
        written: the condition as it was written.
        values: the values it holds for, as override text.
        low: or the least value it holds for.
        high: and the greatest.
    """

    key: str
    written: str
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds; never where the other parameter was not suggested itself.

        Args:
            values: what has been suggested, and what the command line fixes: key → value, or its override text.
        """
        if self.key not in values:
            return False
        value = values[self.key]
        if self.low is not None and self.high is not None:
            number = _number(value)
            return number is not None and self.low <= number <= self.high
        return any(same(value, wanted) for wanted in self.values)


def read_conditions(parameter: str, when: Any) -> tuple[Condition, ...]:
    """Read the `when` of a parameter.

    Args:
        parameter: its key, for the message.
        when: one condition, or a list of which all have to hold.

    Raises:
        ConfigError: what cannot be read.
    """
    found = []
    for text in when if isinstance(when, list) else [when]:
        try:
            parsed = OverridesParser.create().parse_override(str(text))
        except HydraException:
            raise ConfigError(
                f"sweep.space.{parameter}: the condition '{text}' cannot be read; write when: other_key=value."
            ) from None
        key = parsed.get_key_element().lstrip("+")
        value = parsed.value()
        if isinstance(value, IntervalSweep):
            assert value.start is not None and value.end is not None
            found.append(Condition(key, str(text), low=float(value.start), high=float(value.end)))
        elif parsed.is_sweep_override():
            found.append(Condition(key, str(text), tuple(parsed.sweep_string_iterator())))
        else:
            found.append(Condition(key, str(text), (parsed.get_value_element_as_str(),)))
    return tuple(found)


def same(value: Any, wanted: str) -> bool:
    """Whether two values are one, however they are written: 3e-4 and 0.0003, 'a' and a."""
    one, other = _number(value), _number(wanted)
    if one is not None and other is not None:
        return one == other
    return _bare(value) == _bare(wanted)


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _bare(value: Any) -> str:
    text = str(value).replace(" ", "")
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text.lower() if text.lower() in ("true", "false", "null") else text
