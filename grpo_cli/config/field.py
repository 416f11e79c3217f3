"""One config key: where it lives, what it may hold, what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.types import Kind


@dataclass(frozen=True)
class Field:
    """A config key.

    Args:
        section: the group it lives in ("training", "model", …); "" for a root key.
        name: the key inside its section.
        kinds: the alternatives of its type.
        default: the value when no config sets it; "???" when it must be given.
        help: what it means, one or a few sentences.
        choices: every allowed value where the set is closed (null is allowed too where the type says so).
        auto: the rule by which the value `auto` is decided, where the key takes `auto` beside its own values.
    """

    section: str
    name: str
    kinds: tuple[Kind, ...]
    default: Any
    help: str
    choices: tuple[Any, ...] | None = None
    auto: str | None = None

    @property
    def key(self) -> str:
        """The key as written on the command line."""
        return f"{self.section}.{self.name}" if self.section else self.name
