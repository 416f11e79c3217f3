"""The search space: `sweep.space` of the configuration, with the command line over it, in the order of suggestion.

A key that the command line sets to one value is no longer varied; conditions on it are decided by that value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from grpo_cli.config.command_line import OPEN_GROUPS, rewrite
from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError
from grpo_cli.runs.resume import NOT_COMPARED
from grpo_cli.sweep.optuna.condition import read_conditions, same
from grpo_cli.sweep.optuna.parameter import Parameter, read_parameter

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from optuna import Trial

# What is one for all trials: how a run is watched, and what the trials are compared by.
NOT_VARIED = (*NOT_COMPARED, "hydra", "objective", "direction", "name", "paths")


@dataclass(frozen=True)
class Space:
    """A search space.

    Attributes:
        parameters: in an order in which each comes after those its conditions are about.
        fixed: the overrides that every trial has.
        given: what those set: key → override text.
    """

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...]
    given: Mapping[str, str]

    @property
    def conditional(self) -> bool:
        """Whether some parameter is suggested in some trials only."""
        return any(parameter.when for parameter in self.parameters)

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Let a trial suggest the parameters whose conditions hold.

        Returns:
            Key → value, in the order of suggestion.
        """
        return self._walk(lambda parameter: parameter.suggest(trial))

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """A trial's overrides: the fixed ones, then those of the suggested values."""
        varied = []
        for parameter in self.parameters:
            if parameter.key in values:
                override = parameter.override(values[parameter.key])
                # `model=Qwen/Qwen3-0.6B` and `reward=[format,mine.py:f]` are conveniences of the command line.
                varied += rewrite([override]) if parameter.key in (*OPEN_GROUPS, "reward") else [override]
        return [*self.fixed, *varied]

    def grid(self) -> list[dict[str, Any]]:
        """All points, each once: of a parameter whose conditions do not hold no value is taken.

        Raises:
            ConfigError: a parameter is an interval.
        """
        found: list[dict[str, Any]] = [{}]
        for parameter in self.parameters:
            points = parameter.points()
            found = [
                {**point, parameter.key: value}
                for point in found
                for value in (points if self._active(parameter, point) else [None])
            ]
            found = [{k: v for k, v in point.items() if v is not None} for point in found]
        return found

    def _walk(self, choose: Callable[[Parameter], Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for parameter in self.parameters:
            if self._active(parameter, values):
                values[parameter.key] = choose(parameter)
        return values

    def _active(self, parameter: Parameter, values: Mapping[str, Any]) -> bool:
        return all(condition.holds({**self.given, **values}) for condition in parameter.when)


def read_space(
    written: Mapping[str, Any],
    arguments: Sequence[str],
    whole: Callable[[str], bool] = lambda key: False,
    loader: ConfigLoader | None = None,
) -> Space:
    """Read the search space.

    Args:
        written: `sweep.space` as plain containers.
        arguments: the overrides of the command line.
        whole: whether a key takes whole numbers only.
        loader: Hydra's, for `glob(…)`.

    Raises:
        ConfigError: it cannot be read, is empty, or its conditions are about nothing or about each other.
    """
    parser = OverridesParser.create(config_loader=loader)
    parameters: dict[str, Parameter] = {}
    for key, entry in _flat(written):
        if entry is None:
            parameters.pop(key.lstrip("+"), None)  # a file over another one's space takes it out
            continue
        parameter = _from_file(key, entry, whole, parser)
        parameters[parameter.key] = parameter
    fixed, given = [], {}
    for override in parser.parse_overrides(list(arguments)):
        key = override.get_key_element().lstrip("+~")
        if override.is_sweep_override():
            before = parameters.get(key)
            parameters[key] = read_parameter(override, whole(key)).after(before.when if before else ())
        else:
            parameters.pop(key, None)
            fixed.append(str(override.input_line))
            given[key] = "" if override.is_delete() else override.get_value_element_as_str()
    for key in parameters:
        if key.split(".")[0] in NOT_VARIED:
            raise ConfigError(f"{key} is one for all trials of a sweep and cannot be varied; set it to one value.")
    if not parameters:
        raise ConfigError(
            "sweep=optuna has nothing to vary; write 'training.learning_rate=tag(log,interval(1e-5,1e-3))' on the "
            "command line, or keys with such values under sweep.space."
        )
    return Space(_in_order(parameters, given), tuple(fixed), given)


def _flat(written: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Dotted keys and their entries; `training: {beta: …}` is `training.beta: …`."""
    for name, entry in written.items():
        if isinstance(entry, Mapping) and "values" not in entry and "when" not in entry:
            yield from _flat(entry, f"{above}{name}.")
        else:
            yield f"{above}{name}", entry


def _from_file(key: str, entry: Any, whole: Callable[[str], bool], parser: OverridesParser) -> Parameter:
    """Read one entry of `sweep.space`."""
    when = None
    if isinstance(entry, Mapping):
        strange = [name for name in entry if name not in ("values", "when")]
        if strange or entry.get("values") is None:
            what = f"has no {strange[0]}" if strange else "needs values"
            raise ConfigError(f"sweep.space.{key} {what}; write {{values: interval(0.1,0.4), when: other_key=value}}.")
        entry, when = entry["values"], entry.get("when")
    if isinstance(entry, list):
        entry = f"choice({','.join(Override._get_value_element_as_str(value) for value in entry)})"
    try:
        override = parser.parse_override(f"{key}={entry}")
    except HydraException:
        raise ConfigError(
            f"sweep.space.{key}: '{entry}' cannot be read; write choice(a,b), range(1,6), interval(0.1,0.9) or "
            "tag(log,interval(1e-5,1e-3))."
        ) from None
    if not override.is_sweep_override():
        raise ConfigError(
            f"sweep.space.{key}: {entry} is one value; write several, choice(a,b), range(1,6) or interval(0.1,0.9), or "
            f"set {key} outside the space."
        )
    parameter = read_parameter(override, whole(key.lstrip("+")))
    return parameter.after(read_conditions(parameter.key, when) if when is not None else ())


def _in_order(parameters: Mapping[str, Parameter], given: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Each parameter after those that its conditions are about, otherwise as written."""
    for parameter in parameters.values():
        for condition in parameter.when:
            about = parameters.get(condition.key)
            if about is None and condition.key not in given:
                raise ConfigError(
                    f"sweep.space.{parameter.key}: its condition is about {condition.key}, which is neither varied nor "
                    f"set on the command line{meant_or_known(condition.key, parameters)}."
                )
            choices = about.choices if about else ()
            unknown = [v for v in condition.values if choices and not any(same(c, v) for c in choices)]
            if unknown:
                raise ConfigError(
                    f"sweep.space.{parameter.key}: its condition {condition.written} never holds, {unknown[0]} is no "
                    f"value of {condition.key}{meant_or_known(unknown[0], choices)}."
                )
    ordered: dict[str, Parameter] = {}
    left = dict(parameters)
    while left:
        free = [p for p in left.values() if not any(condition.key in left for condition in p.when)]
        if not free:
            raise ConfigError(
                f"sweep.space: the conditions of {', '.join(left)} are about each other; let one of them be suggested "
                "always."
            )
        ordered[free[0].key] = left.pop(free[0].key)
    return tuple(ordered.values())
