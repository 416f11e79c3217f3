"""Packages that only some rewards need: said to be missing before training, not in its first step."""

from __future__ import annotations

import importlib.util
from functools import cache

from grpo_cli.errors import ConfigError


@cache
def require(package: str, extra: str) -> None:
    """Make sure that an optional package is there, without importing it.

    Args:
        package: its import name.
        extra: the extra of grpo-train that installs it.

    Raises:
        ConfigError: it is not installed; the sentence says how to get it.

    Example:
        >>> require("json", "text")
        >>> require("no_such_package", "text")
        Traceback (most recent call last):
        grpo_cli.errors.ConfigError: no_such_package is not installed; install it with pip install 'grpo-train[text]'.
    """
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{package} is not installed; install it with pip install 'grpo-train[{extra}]'")
