"""What can be said about the `reward:` section before anything heavy, or anything of the user's, is run.

Source files are parsed, never executed, so this is quick enough for every composed config. What parsing
cannot see (a decorated function, a name made at run time) is left to `build_rewards`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
from collections.abc import Mapping
from typing import Any

from grpo_cli.config.schema import reward_entry
from grpo_cli.config.suggest import meant_or_known
from grpo_cli.config.targets import Parameters, check_target, parameters_of, split_target
from grpo_cli.config.values import problem as value_problem
from grpo_cli.rewards.combine import check_combining
from grpo_cli.rewards.signature import FILLED, RESERVED, unknown_options

NO_REWARD = (
    "No reward is chosen, so there is nothing to train for; write reward=[<name>,…] (grpo-train --help lists them)."
)
_BUILT_IN = "grpo_cli.rewards"
_SCALARS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


def check_rewards(cfg_reward: Mapping[str, Any] | None) -> list[str]:
    """Find what is wrong with the rewards of a config.

    Args:
        cfg_reward: the resolved `reward:` section (plain dicts; "???" where a value is still missing).

    Returns:
        One sentence per problem; none when all seems well.
    """
    if not cfg_reward:
        return [NO_REWARD]
    problems = []
    for name, entry in cfg_reward.items():
        problems.extend(_check_entry(str(name), entry))
    if problems:
        return problems
    if all(entry.get("weight", 1.0) == 0 and not entry.get("schedule") for entry in cfg_reward.values()):
        problems.append(f"reward.{next(iter(cfg_reward))}.weight: all weights are 0, so nothing would be learned")
    return problems + check_combining(cfg_reward)


def _check_entry(name: str, entry: Any) -> list[str]:
    key = f"reward.{name}"
    if not isinstance(entry, Mapping):
        return [f"{key} must be a section with a target, not {entry!r}; to take it out write '~{key}'"]
    target = entry.get("target")
    if not target or target == "???":
        only = f" (it sets only {', '.join(map(str, entry))})" if entry else ""
        return [
            f"{key} has no target{only}: select it, reward=[…,{name}], name a function of your own, "
            f"{key}.target=my_rewards.py:function, or leave it out, ~{key}."
        ]
    problems = []
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        problems.append(f"{key}.weight must be a number, not {weight!r}")
    if not isinstance(entry.get("correctness", False), bool):
        problems.append(f"{key}.correctness must be true or false, not {entry['correctness']!r}")
    problems.extend(_check_reserved(key, entry))
    options = {k: v for k, v in entry.items() if k not in RESERVED}
    problems.extend(f"{key}.{k} must be set; write {key}.{k}=<value>." for k, v in options.items() if v == "???")
    return problems + (_check_target(key, str(target), options) if not problems else [])


def _check_reserved(key: str, entry: Mapping[str, Any]) -> list[str]:
    """The keys that every entry has, whatever it computes: the guard's, and how values combine."""
    found = []
    for name, field in reward_entry().items():
        if name in entry and name not in ("target", "weight", "correctness"):
            wrong = value_problem(field, entry[name], f"{key}.{name}")
            found += [wrong.rstrip(".")] if wrong else []
    return found


def _check_target(key: str, target: str, options: Mapping[str, Any]) -> list[str]:
    if problem := check_target(target):
        return [f"{key}.target: {problem}"]
    parameters = parameters_of(target)
    if parameters is None or _is_factory(parameters):
        return []
    problems = [
        problem for name, value in options.items() for problem in _check_option(key, target, name, value, parameters)
    ]
    return problems or _try_out(key, target, options)


def _check_option(key: str, target: str, name: str, value: Any, parameters: Parameters) -> list[str]:
    known = [known for known in parameters.annotations if known not in (*FILLED, "self")]
    if unknown_options([name], known, parameters.open):
        # A misspelled `weight` lands here too.
        return [f"{key}.{name}: {target} has no argument '{name}' to set{meant_or_known(name, [*known, *RESERVED])}"]
    allowed = _allowed(parameters.annotations.get(name))
    if allowed is None or any(_fits(value, one) for one in allowed):
        return []
    expected = ", ".join(one if isinstance(one, str) else repr(one[0]) for one in allowed)
    return [
        f"{key}.{name} must be one of {expected}, not {value!r}"
        if len(allowed) > 1
        else f"{key}.{name} must be {expected}, not {value!r}"
    ]


def _is_factory(parameters: Parameters) -> bool:
    """Whether the function only makes the reward; the reward's own arguments are then not in sight."""
    scoring = {"completions", "completion", "text", "prompts", "completion_ids"}
    return parameters.is_function and not scoring & set(parameters.annotations)


def _allowed(annotation: ast.expr | None) -> list[str | tuple[Any]] | None:
    """What an annotation allows: type names, and 1-tuples holding literal values; None for "cannot tell"."""
    if isinstance(annotation, ast.Constant):
        if annotation.value is None:
            return [(None,)]
        if isinstance(annotation.value, str):
            try:
                return _allowed(ast.parse(annotation.value, mode="eval").body)
            except SyntaxError:
                return None
    if isinstance(annotation, ast.Name) and annotation.id in _SCALARS:
        return [annotation.id]
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        left, right = _allowed(annotation.left), _allowed(annotation.right)
        return None if left is None or right is None else left + right
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        if annotation.value.id == "Optional":
            inner = _allowed(annotation.slice)
            return None if inner is None else [*inner, (None,)]
        if annotation.value.id == "Literal":
            try:
                values = ast.literal_eval(annotation.slice)
            except ValueError:
                return None
            return [(value,) for value in (values if isinstance(values, tuple) else (values,))]
    return None


def _fits(value: Any, allowed: str | tuple[Any]) -> bool:
    if isinstance(allowed, tuple):
        return type(value) is type(allowed[0]) and value == allowed[0]
    return isinstance(value, _SCALARS[allowed]) and (allowed == "bool" or not isinstance(value, bool))


def _try_out(key: str, target: str, options: Mapping[str, Any]) -> list[str]:
    """Let one of our own reward functions judge its options, on an empty completion (they are all light)."""
    where, attribute = split_target(target)
    if not where.startswith(_BUILT_IN):
        return []
    function = getattr(importlib.import_module(where), attribute)
    if not inspect.isfunction(function):
        return []
    parameters = inspect.signature(function).parameters
    given: dict[str, Any] = {name: "" for name, p in parameters.items() if p.default is p.empty}
    if "completion_ids" in parameters:
        given["completion_ids"] = []
    try:
        function(**{**given, **options})
    except ValueError as error:
        return [f"{key}: {error}"]
    return []
