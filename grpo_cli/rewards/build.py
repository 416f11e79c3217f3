"""From the `reward:` section of a run's config to the callables that the trainer gets."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo_cli.config.importer import import_target
from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.check import NO_REWARD
from grpo_cli.rewards.reward import AsyncReward, Reward
from grpo_cli.rewards.signature import (
    CONTEXT_NAMES,
    RESERVED,
    Signature,
    is_async,
    read_signature,
    unknown_options,
)

_FORMS = "a reward's first parameter is completions (TRL's form) or completion (one at a time)"
# Names under which data sets keep the right answer; used only to suggest a column.
_ANSWER_NAMES = ("answer", "solution", "ground_truth", "gold", "label", "target", "reference", "output")


class Later:
    """A fact that costs too much to be there before a reward names it.

    Args:
        make: gives the fact; called once.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = functools.cache(make)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _itself, (self.make(),)


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class RewardContext:
    """What rewards may know of the run; each field but `columns` is given to a function that names it.

    A field may be a `Later`, which stands for what it makes.

    Attributes:
        tokenizer: the policy's tokenizer.
        device: where models used as rewards run.
        prompt_opens_think: whether the chat template leaves `<think>` open (`text.prompt_opens_think`).
        seed: the run's seed.
        columns: the data's columns; None when not known, which leaves out the check for missing ones.
    """

    tokenizer: Any = None
    device: Any = None
    prompt_opens_think: bool = False
    seed: int = 0
    columns: Sequence[str] | None = None

    def facts(self, wanted: Collection[str]) -> dict[str, Any]:
        """The values behind those of `CONTEXT_NAMES` that are wanted."""
        found = {name: getattr(self, name) for name in CONTEXT_NAMES if name in wanted}
        return {name: value.make() if isinstance(value, Later) else value for name, value in found.items()}


def build_rewards(cfg_reward: Mapping[str, Mapping[str, Any]], *, context: RewardContext) -> list[Reward]:
    """Import, configure and check every reward of a run, in the config's order.

    Args:
        cfg_reward: name → entry with `target`, `weight`, `correctness` and the target's own arguments.
        context: facts of the run.

    Returns:
        One callable per entry, `__name__` being the entry's name.

    Raises:
        ConfigError: naming every entry that cannot work: a target that cannot be imported, an argument it
            does not take, a column that the data lack.
    """
    problems: list[str] = []
    rewards = []
    for name, entry in cfg_reward.items():
        try:
            reward = build_reward(str(name), dict(entry), context)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        problems.extend(_missing_columns(reward, context.columns))
        rewards.append(reward)
    if problems:
        raise ConfigError(*problems)
    if not rewards:
        raise ConfigError(NO_REWARD)
    return rewards


def build_reward(name: str, entry: dict[str, Any], context: RewardContext) -> Reward:
    """Build one entry (`build_rewards` without the checks across entries and data)."""
    if not entry.get("target"):
        raise ConfigError(
            f"reward.{name} has no target: select it with reward=[…,{name}], or write "
            f"reward.{name}.target=my_rewards.py:function"
        )
    target = str(entry["target"])
    # A run fact that the config leaves at null is filled by the run.
    options = {
        key: value
        for key, value in entry.items()
        if key not in RESERVED and not (key in CONTEXT_NAMES and value is None)
    }
    function, signature, options, maker = _function(name, target, options, context)
    kind = AsyncReward if is_async(function) else Reward
    return kind(
        name,
        function,
        signature,
        options=options,
        facts=context.facts([*signature.accepts, "prompt_opens_think"]),
        weight=float(entry.get("weight", 1.0)),
        correctness=bool(entry.get("correctness", False)),
        file=_source_file(function),
        maker=maker,
        rebuild=(build_reward, (name, entry, context)),
    )


def _function(
    name: str, target: str, options: dict[str, Any], context: RewardContext
) -> tuple[Callable[..., Any], Signature, dict[str, Any], Signature | None]:
    """The function that scores, its signature, the options passed with each call, and the signature of its maker."""
    try:
        found = import_target(target)
    except ConfigError as error:
        raise ConfigError(*(f"reward.{name}.target: {problem}" for problem in error.problems)) from error
    if not callable(found):
        raise ConfigError(f"reward.{name}.target: {target} is a {type(found).__name__}, not a function")
    signature = _signature(name, target, found)
    if not isinstance(found, type) and signature.is_reward:
        _refuse_unknown(name, target, options, signature.configurable(), signature.open)
        return found, signature, options, None
    made = _make(name, target, found, signature, options, context)
    inner = _signature(name, target, made)
    if not inner.is_reward:
        raise ConfigError(f"reward.{name}: {target} makes no reward function: {_FORMS}")
    # **kwargs of the made function are there for columns, so they excuse no unknown option.
    known = [*signature.configurable(), *inner.configurable()]
    _refuse_unknown(name, target, options, known, signature.open)
    return made, inner, {key: value for key, value in options.items() if not signature.takes(key)}, signature


def _make(
    name: str,
    target: str,
    maker: Callable[..., Any],
    signature: Signature,
    options: Mapping[str, Any],
    context: RewardContext,
) -> Callable[..., Any]:
    """Call a class, or a factory such as TRL's `get_…_reward`, with those options that it takes."""
    given = {key: value for key, value in options.items() if signature.takes(key)}
    given |= context.facts([key for key in signature.accepts if key not in given])
    if missing := [key for key in signature.required if key not in given]:
        or_else = "" if isinstance(maker, type) else f"; or, if it is itself the reward: {_FORMS}"
        raise ConfigError(
            f"reward.{name}: {target} needs {', '.join(missing)}: write reward.{name}.{missing[0]}=<value>{or_else}"
        )
    try:
        made = maker(**given)
    except ConfigError as error:
        raise ConfigError(*(f"reward.{name}: {problem}" for problem in error.problems)) from error
    except Exception as error:
        raise ConfigError(f"reward.{name}: {target} could not be built: {type(error).__name__}: {error}") from error
    if not callable(made):
        raise ConfigError(f"reward.{name}: {target} gives a {type(made).__name__}, not a function; {_FORMS}")
    return made


def _signature(name: str, target: str, function: Callable[..., Any]) -> Signature:
    try:
        return read_signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"reward.{name}: {target} cannot be called as a reward: {error}") from error


def _refuse_unknown(name: str, target: str, options: Mapping[str, Any], known: Sequence[str], is_open: bool) -> None:
    problems = [
        f"reward.{name}.{key}: {target} has no argument '{key}' to set{meant_or_known(key, known)}"
        for key in unknown_options(options, known, is_open)
    ]
    if problems:
        raise ConfigError(*problems)


def _missing_columns(reward: Reward, available: Sequence[str] | None) -> list[str]:
    if available is None:
        return []
    problems = []
    for column in reward.columns:
        if column in available:
            continue
        others = [name for name in available if name != "prompt"]
        near = difflib.get_close_matches(column, others, 1)
        if not near and column in _ANSWER_NAMES:
            near = [name for name in others if name in _ANSWER_NAMES][:1]
        hint = f" (nearest: {near[0]})" if near else ""
        problems.append(
            f"reward {reward.__name__!r} needs the column {column!r}, which the data lack; they have "
            f"{', '.join(available) or 'none'}{hint}: write dataset.columns.{column}="
            f"{near[0] if near else '<theirs>'} to map one, or reward.{reward.__name__}.{column}=<value> "
            "for a constant"
        )
    return problems


def _source_file(function: Any) -> str | None:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function)
    try:
        return inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
