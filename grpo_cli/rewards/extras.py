"""Saying which extra to install for a reward whose package is missing, before training starts."""

from __future__ import annotations

import functools
import importlib.util

from grpo_cli.errors import ConfigError


@functools.cache
def require_package(module: str, extra: str, reward: str) -> None:
    """Check, without importing it, that an optional package is installed.

    Args:
        module: the module's name ("rouge_score").
        extra: the extra of this package that brings it.
        reward: which reward needs it, for the message.

    Raises:
        ConfigError: it is missing.

    Example:
        >>> require_package("no_such_module", "text", "rouge")
        Traceback (most recent call last):
        ...
        grpo_cli.errors.ConfigError: The reward rouge needs the package no_such_module: pip install 'grpo-train[text]'.
    """
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"The reward {reward} needs the package {module}: pip install 'grpo-train[{extra}]'")
