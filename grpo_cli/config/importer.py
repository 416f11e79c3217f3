"""Find a function of the user's by its target: `package.module:name` or `path/to/file.py:name`.

Rewards and data generators are named this way in a config. `check_target` answers from the source text alone,
so that a misspelled name ends a launch at once; `import_target` imports for real, in the worker.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from grpo_cli.errors import ConfigError

FORM = "'package.module:name' or 'path/to/file.py:name'"


def nearest(name: str, names: Sequence[str]) -> str:
    """Say which known name was probably meant, or which ones there are.

    Args:
        name: what was written.
        names: what exists.

    Returns:
        A clause to put behind a sentence: "; did you mean 'x'?", "; there are: a, b" or "".
    """
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are: {', '.join(list(names)[:12])}" if names else ""


def split_target(target: str) -> tuple[str, str]:
    """Split a target into its module (or file) and the name in it.

    Args:
        target: `package.module:name` or `path/to/file.py:name`.

    Returns:
        The part before the last colon and the name after it.

    Raises:
        ConfigError: when it has another form.
    """
    where, colon, name = str(target).rpartition(":")
    if colon and where and all(part.isidentifier() for part in name.split(".")):
        return where, name
    hint = ""
    if str(target).endswith(".py"):
        hint = f"; say which function of it: '{target}:name'"
    elif not colon and "." in str(target):
        module, _, last = str(target).rpartition(".")
        hint = f"; did you mean '{module}:{last}'?"
    raise ConfigError(f"'{target}' names no function: write {FORM}{hint}")


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
            raise ConfigError(f"'{where}' has no '{name}'{nearest(part, public)}")
        found = getattr(found, part)
    return found


def check_target(target: str) -> str | None:
    """Look a target up without importing anything.

    Args:
        target: `package.module:name` or `path/to/file.py:name`.

    Returns:
        A sentence saying what is wrong, or None when nothing wrong is to be seen.
    """
    try:
        where, name = split_target(target)
        source = _file(where) if where.endswith(".py") else _source_of(where)
    except ConfigError as error:
        return str(error)
    if source is None or source.suffix != ".py":
        return None
    try:
        names = _top_level_names(ast.parse(source.read_text(encoding="utf-8")))
    except SyntaxError as error:
        return f"'{where}' cannot be imported: line {error.lineno}: {error.msg}"
    except (OSError, UnicodeDecodeError):
        return None
    first = name.split(".")[0]
    if names is None or first in names:
        return None
    return f"'{where}' has no '{name}'{nearest(first, sorted(n for n in names if not n.startswith('_')))}"


def _file(where: str) -> Path:
    path = Path(where).expanduser().resolve()
    if path.is_file():
        return path
    beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
    hint = nearest(path.name, sorted(beside)) if beside else ""
    raise ConfigError(f"there is no file '{where}' (looked in {path.parent}){hint}")


def _import_file(where: str) -> ModuleType:
    path = _file(where)
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
            raise ConfigError(f"there is no module '{where}' ('{error.name}' was not found): {_paths()}") from error
        raise ConfigError(f"'{where}' cannot be imported: {_account(error)}") from error
    except Exception as error:
        raise ConfigError(f"'{where}' cannot be imported: {_account(error)}") from error


def _search_also(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _paths() -> str:
    return "write a module that Python finds from here, or a file as 'path/to/file.py:name'"


def _account(error: Exception) -> str:
    """What went wrong in the user's code, and in which line of it."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    user = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    at = f" ({user[-1].filename}, line {user[-1].lineno})" if user else ""
    return f"{type(error).__name__}: {error}{at}"


def _source_of(module: str) -> Path | None:
    """The file of a module, found part by part so that no parent package gets imported."""
    locations: list[str] | None = [*sys.path, str(Path.cwd())]
    found = ""
    for part in module.split("."):
        if locations is None:
            raise ConfigError(f"there is no module '{module}' ('{found}' is no package): {_paths()}")
        found = f"{found}.{part}" if found else part
        if found in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(found, locations)
        if spec is None:
            # Editable installs and namespace tricks are found by other finders; ask them about the top
            # level only.
            if "." not in found and importlib.util.find_spec(found) is not None:
                return None
            raise ConfigError(f"there is no module '{module}' ('{found}' was not found): {_paths()}")
        locations = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _top_level_names(tree: ast.Module) -> set[str] | None:
    """Names that a module surely defines; None when they cannot be known from the text."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            if node.name == "__getattr__":
                return None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    return None
                names.add(alias.asname or alias.name.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("globals", "setattr", "exec"):
            return None
    return names
