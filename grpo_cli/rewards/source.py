"""Where a reward's code lies and what it looks like, found without running any of it."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any


def reward_sources(cfg_reward: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str | None]]:
    """The source file of each reward and its hash, for a run's provenance.

    Args:
        cfg_reward: the `reward:` section of a config.

    Returns:
        name → {"target", "file", "sha256"}; file and hash are None where the code is not a readable file.
    """
    sources = {}
    for name, entry in cfg_reward.items():
        target = str((entry or {}).get("target"))
        file = find_source(target)
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file else None
        sources[str(name)] = {"target": target, "file": str(file) if file else None, "sha256": digest}
    return sources


def find_source(target: str) -> Path | None:
    """The file that a target names, absolute; None when there is none.

    Args:
        target: `package.module:name` or `path/to/file.py:name`; a path is relative to the working directory,
            which is also searched for modules, as it is in the worker.
    """
    where = target.rpartition(":")[0]
    path = Path(where).expanduser() if where.endswith(".py") else _find_module(where)
    return path.resolve() if path and path.is_file() else None


def _find_module(module: str) -> Path | None:
    """Find a module's file part by part: `importlib.util.find_spec("a.b")` would execute `a`."""
    first, *rest = module.split(".")
    if not first:
        return None
    try:
        spec = PathFinder.find_spec(first, [*sys.path, str(Path.cwd())]) or importlib.util.find_spec(first)
        full = first
        for part in rest:
            if spec is None or spec.submodule_search_locations is None:
                return None
            full = f"{full}.{part}"
            spec = PathFinder.find_spec(full, list(spec.submodule_search_locations))
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin else None
