"""Which of the two forms a reward function has, and what it wants to be given.

TRL's form scores a batch: `def f(completions, answer, **kwargs) -> list[float]`. The one-completion form
scores one: `def f(completion, answer) -> float`. Parameter names tell them apart; everything is passed by
name, as TRL does.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The keys of a reward's config entry that are not arguments of its function.
RESERVED = (
    *("target", "weight", "correctness"),
    *("timeout", "on_error", "max_failure_rate", "cache", "isolate"),  # the guard's
    *("clip", "normalize", "gate", "schedule"),  # how values combine
)
BATCH_NAMES = ("completions", "prompts", "completion_ids")
COMPLETION_NAMES = ("completion", "text")
# Given by the trainer with every batch, never columns of the data.
TRAINER_NAMES = ("trainer_state", "log_extra", "log_metric")
# What a config cannot set, since the trainer fills it.
FILLED = (*BATCH_NAMES, *TRAINER_NAMES, "completion", "prompt", "environments")
# Facts about the run, given to whoever asks for them by name.
CONTEXT_NAMES = ("tokenizer", "device", "seed", "prompt_opens_think")


@dataclass(frozen=True)
class Signature:
    """What a reward function takes.

    Attributes:
        accepts: names of the parameters that may be passed.
        required: those of them without a default.
        open: whether it takes any further keyword (`**kwargs`).
        completion: name of the parameter that takes one completion's text; None for TRL's form.
        batch: whether it has TRL's form.
        fixed: parameters that a `functools.partial` has filled; they are not passed again.
    """

    accepts: tuple[str, ...]
    required: tuple[str, ...]
    open: bool
    completion: str | None
    batch: bool
    fixed: frozenset[str] = frozenset()

    @property
    def is_reward(self) -> bool:
        """Whether it has one of the two forms; a factory has neither."""
        return self.batch or self.completion is not None

    def takes(self, name: str) -> bool:
        """Whether a keyword of this name may be passed."""
        return name in self.accepts or (self.open and name not in self.fixed)

    def configurable(self) -> list[str]:
        """The parameters that a config may set: all but those the trainer fills with the batch."""
        return [name for name in self.accepts if name not in FILLED and name != self.completion]

    def columns(self, given: Mapping[str, Any]) -> tuple[str, ...]:
        """The data columns without which it cannot be called.

        Args:
            given: keyword arguments that the config sets.
        """
        # (`prompt` is there for both forms, a single one or the batch's.)
        known = {
            *BATCH_NAMES,
            *TRAINER_NAMES,
            *CONTEXT_NAMES,
            *given,
            "prompt",
            "environments",
            self.completion,
        }
        return tuple(name for name in self.required if name not in known)


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a callable's signature.

    Args:
        function: a function, a `functools.partial`, a class (its constructor is read) or an object with
            `__call__`.

    Raises:
        ValueError: it has none that Python can read, or a parameter that cannot be passed by name.

    Example:
        >>> def polite(completion, answer, tone="warm"): ...
        >>> read_signature(polite).completion, read_signature(polite).columns({})
        ('completion', ('answer',))
    """
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.POSITIONAL_ONLY and p.default is p.empty for p in parameters):
        raise ValueError("it has parameters that can only be passed by position")
    # What a partial fixes is its author's choice; a data column of that name must not undo it.
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    accepts = tuple(p.name for p in named if p.name not in fixed)
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
    # `text` may well be a column of the data, so it means the completion in the first place only.
    first = accepts[0] if accepts else None
    completion = first if first in COMPLETION_NAMES else "completion" if "completion" in accepts else None
    if "completions" in accepts:
        completion = None
    return Signature(
        accepts=accepts,
        required=tuple(p.name for p in named if p.default is p.empty and p.name not in fixed),
        open=is_open,
        completion=completion,
        batch=completion is None and (is_open or any(name in accepts for name in BATCH_NAMES)),
        fixed=frozenset(fixed),
    )


def unknown_options(options: Iterable[str], known: Sequence[str], is_open: bool) -> list[str]:
    """Those of a config's keys that a function does not take.

    Args:
        options: the keys.
        known: the parameters that a config may set.
        is_open: whether the function takes any keyword (`**kwargs`). A key that looks like a misspelled
            parameter is refused even then: it would vanish without a trace.

    Example:
        >>> unknown_options(["tone", "tonne", "style"], ["tone"], True)
        ['tonne']
    """
    return [
        key
        for key in options
        if key not in known and (not is_open or key in FILLED or difflib.get_close_matches(key, known, 1, 0.8))
    ]


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine (`async def`, also behind a partial or as `__call__`)."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
