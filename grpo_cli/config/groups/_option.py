"""How a config key is declared: default, help and, where it has them, choices."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import field
from typing import Any

REQUIRED = "???"


def option(default: Any, help: str, choices: Sequence[Any] | None = None) -> Any:
    """Declare one config key as a dataclass field.

    Args:
        default: the value when no config sets the key; `REQUIRED` when there is none.
        help: one sentence for `grpo-train --fields`.
        choices: every allowed value, when the set is closed.

    Returns:
        A `dataclasses.field` with `help` and `choices` in its metadata.
    """
    metadata = {"help": help, "choices": tuple(choices) if choices else None}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: copy.copy(default), metadata=metadata)
    return field(default=default, metadata=metadata)
