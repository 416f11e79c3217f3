"""Import what a target names, `package.module:name` or `path/to/file.py:name`; `targets` says what one may name."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.config.targets import ANY_MODULE, existing_file, split_target
from grpo_cli.errors import ConfigError


def import_target(target: str) -> Any:
    """Import what a target names.

    A file's folder and the working directory are put at the end of `sys.path`, so that the user's files find
    their neighbours; a file is executed once however many targets name it.

    Args:
        target: `package.module:name` or `path/to/file.py:name`; the name may be dotted (`Class.method`).

    Returns:
        The object.

    Raises:
        ConfigError: when the file, the module or the name is missing, or importing it fails.
    """
    where, name = split_target(target)
    module = _import_file(where) if where.endswith(".py") else _import_module(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [n for n in vars(found) if not n.startswith("_")] if hasattr(found, "__dict__") else []
            raise ConfigError(f"'{where}' has no '{name}'{meant_or_known(part, public)}")
        found = getattr(found, part)
    return found


def _import_file(where: str) -> ModuleType:
    path = existing_file(where)
    # The path is part of the name: two files called rewards.py must not be taken for one module.
    name = f"grpo_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _search_also(path.parent)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise ConfigError(f"'{where}' cannot be imported: {_account(error)}") from error
    return module


def _import_module(where: str) -> ModuleType:
    _search_also(Path.cwd())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(error.name + ".")):
            part = "" if where == error.name else f" ('{error.name}' was not found)"
            raise ConfigError(f"there is no module '{where}'{part}: {ANY_MODULE}") from error
        raise ConfigError(f"'{where}' cannot be imported: {_account(error)}") from error
    except Exception as error:
        raise ConfigError(f"'{where}' cannot be imported: {_account(error)}") from error


def _search_also(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _account(error: Exception) -> str:
    """What went wrong in the user's code, and in which line of it."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    user = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    at = f" ({user[-1].filename}, line {user[-1].lineno})" if user else ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it imports {error.name}, which is not installed here{at}"
    return f"{type(error).__name__}: {error}{at}"
