"""Optuna itself: an extra, so asked for in one sentence where it is missing; and silent where it is there."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

from grpo_cli.errors import ConfigError


def require(sampler: str) -> None:
    """Make sure that what a sampler needs is installed.

    Args:
        sampler: the `sweep.sampler` key.

    Raises:
        ConfigError: naming what is missing, and the extra that has it.
    """
    for package in ("optuna", *(("cmaes",) if sampler == "cmaes" else ())):
        if find_spec(package) is None:
            raise ConfigError(f"sweep=optuna needs the package {package}: pip install 'grpo-train[optuna]'.")


def hush(log: Path | None = None) -> None:
    """Keep Optuna from writing between our lines.

    Args:
        log: where its messages go; None: nowhere.
    """
    import logging

    import optuna

    optuna.logging.disable_default_handler()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    if log is None:
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("optuna").addHandler(handler)
