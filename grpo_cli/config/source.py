"""Where the code of a target lies, found without running any of it."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path


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
