"""The search space against what can be configured, before anything starts: no trial is spent on a misspelled key."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from grpo_cli.config import places
from grpo_cli.config.command_line import OPEN_GROUPS
from grpo_cli.config.schema import sections
from grpo_cli.config.suggest import did_you_mean, nearest, or_list
from grpo_cli.config.validate import find_problems
from grpo_cli.errors import ConfigError
from grpo_cli.sweep.optuna.parameter import Parameter
from grpo_cli.sweep.optuna.space import Space

Choices = Callable[[str], Sequence[str]]


def takes_whole_numbers(key: str) -> bool:
    """Whether a key holds whole numbers and no fractions, by the schema."""
    section, _, name = key.rpartition(".")
    field = sections().get(section, {}).get(name)
    kinds = {kind.name for kind in field.kinds} if field else set()
    return "int" in kinds and "float" not in kinds


def check_space(space: Space, config: Mapping[str, Any], choices: Choices = places.choices) -> None:
    """Check the keys of a search space, and the values at its ends, as those of a configuration are.

    Args:
        space: the space.
        config: the configuration around it, resolved, as plain containers.
        choices: the choices of a group; none where there is no such group.

    Raises:
        ConfigError: with every problem found.
    """
    groups = {parameter.key for parameter in space.parameters if choices(parameter.key.split("@")[0])}
    before = find_problems(dict(config))
    found = [problem for problem in before if not groups and not _may_vanish(problem, space)]
    for parameter in space.parameters:
        group = parameter.key.split("@")[0]
        if parameter.key in groups:
            found += _check_choices(parameter, group, choices(group))
        elif "." not in group and group not in sections()[""]:
            near = nearest(group, [*places.groups(), *sections()[""]])
            found.append(f"{group}: no such key or group" + (f"; did you mean {near}?" if near else "."))
        elif group.startswith("reward.") and (groups or parameter.prefix):
            continue  # whether there is such a reward is known only when a trial is composed
        else:
            found += [p for value in parameter.ends() for p in _problems(parameter, value, config) if p not in before]
    if found:
        raise ConfigError(*dict.fromkeys(found))


def _may_vanish(problem: str, space: Space) -> bool:
    """Whether a problem of the configuration around the space may be none in a trial."""
    keys = [parameter.key for parameter in space.parameters]
    return any(key in problem or (key.startswith("reward.") and "reward" in problem.lower()) for key in keys)


def _check_choices(parameter: Parameter, group: str, known: Sequence[str]) -> list[str]:
    """The choices of a group, each by its name."""
    if not parameter.choices:
        return [f"{group}: numbers are no choices of a group; choices: {or_list(known, 40)}."]
    found = []
    for text in parameter.choices:
        for name in text.strip("[]").split(","):
            name = name.strip(" '\"")
            own = ":" in name or (group in OPEN_GROUPS and ("/" in name or "." in name))
            if name and name != "null" and name not in known and not own:
                hint = did_you_mean(name, known) or "."
                found.append(f"{group}={text}: no such choice{hint} Choices: {or_list(known, 40)}.")
    return found


def _problems(parameter: Parameter, value: Any, config: Mapping[str, Any]) -> list[str]:
    """What is wrong with a configuration in which a parameter has a value."""
    override = OverridesParser.create().parse_override(f"key={value}")
    changed = copy.deepcopy(dict(config))
    *above, name = parameter.key.split(".")
    node = changed
    for part in above:
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    node[name] = override.value()
    return [problem for problem in find_problems(changed) if "${" not in str(value) or "no such" in problem]
