"""What can be told of a target from its source text: nothing of the user's is run, nothing heavy imported.

A target names a function of the user's, `package.module:name` or `path/to/file.py:name`: rewards and data generators
are configured this way. A misspelled one so ends a launch at once. `importer.import_target` imports for real, in the
worker.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError

FORM = "package.module:name or path/to/file.py:name"
ANY_MODULE = "write a module that Python finds from here, or a file as path/to/file.py:name"


@dataclass(frozen=True)
class Parameters:
    """The arguments of a function, or of a class's constructor and call together.

    Attributes:
        annotations: each argument's annotation.
        open: whether it takes any keyword argument (`**kwargs`).
        is_function: whether the target is a function, not a class.
    """

    annotations: dict[str, ast.expr | None]
    open: bool
    is_function: bool


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


def check_target(target: str) -> str | None:
    """Look a target up without importing anything.

    Args:
        target: `package.module:name` or `path/to/file.py:name`.

    Returns:
        A sentence saying what is wrong, or None when nothing wrong is to be seen.
    """
    try:
        where, name = split_target(target)
        source = existing_file(where) if where.endswith(".py") else _module_source(where)
    except ConfigError as error:
        return str(error)
    if source is None or source.suffix != ".py":
        return None
    try:
        names = _top_level_names(ast.parse(source.read_text(encoding="utf-8")))
    except SyntaxError as error:
        return f"'{where}' cannot be imported: line {error.lineno}: {error.msg}."
    except (OSError, UnicodeDecodeError):
        return None
    first = name.split(".")[0]
    if names is None or first in names:
        return None
    public = sorted(n for n in names if not n.startswith("_"))
    return f"'{where}' has no '{name}'{meant_or_known(first, public)}"


def find_source(target: str) -> Path | None:
    """The file that a target names, absolute; None when there is none.

    Args:
        target: `package.module:name` or `path/to/file.py:name`; a path is relative to the working directory, which is
            also searched for modules, as it is in the worker.
    """
    where = target.rpartition(":")[0]
    try:
        path = existing_file(where) if where.endswith(".py") else _module_source(where)
    except ConfigError:
        return None
    return path.resolve() if path and path.is_file() else None


def parameters_of(target: str) -> Parameters | None:
    """Read what a target takes.

    Args:
        target: `package.module:name` or `path/to/file.py:name`.

    Returns:
        Its parameters; None where parsing cannot tell (no source, a decorator, a base class, a name made at run time).
    """
    file = find_source(target)
    if file is None or file.suffix != ".py":
        return None
    name = split_target(target)[1]
    found = [node for node in ast.parse(file.read_bytes()).body if getattr(node, "name", None) == name]
    if len(found) != 1:
        return None
    node = found[0]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None if node.decorator_list else _collect([node], [node], is_function=True)
    if not isinstance(node, ast.ClassDef) or node.decorator_list or node.bases or node.keywords:
        return None
    methods = [m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)]
    constructor = [m for m in methods if m.name == "__init__"]
    # Only the constructor's **kwargs takes options; those of __call__ are there for the data's columns.
    return _collect([*constructor, *(m for m in methods if m.name == "__call__")], constructor, is_function=False)


def unknown_arguments(key: str, target: str, given: Mapping[str, Any]) -> list[str]:
    """Name the keyword arguments that a target does not take.

    Args:
        key: the config section the arguments stand in.
        target: what they are for.
        given: the arguments.

    Returns:
        One sentence per argument.
    """
    parameters = parameters_of(target)
    if parameters is None or parameters.open:
        return []
    known = [name for name in parameters.annotations if name != "self"]
    return [
        f"{key}.{name}: {target} has no argument '{name}' to set{meant_or_known(name, known)}"
        for name in given
        if name not in known
    ]


def existing_file(where: str) -> Path:
    """The file of a `path/to/file.py`, absolute.

    Raises:
        ConfigError: it does not exist.
    """
    path = Path(where).expanduser().resolve()
    if path.is_file():
        return path
    beside = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
    raise ConfigError(f"there is no file '{where}' (looked in {path.parent}){meant_or_known(path.name, beside)}")


def _module_source(module: str) -> Path | None:
    """The file of a module, found part by part: `importlib.util.find_spec("a.b")` would execute `a`.

    Returns:
        Its file; None for a module that is there without one (built in, found by another finder).

    Raises:
        ConfigError: there is no such module.
    """
    locations: list[str] | None = [*sys.path, str(Path.cwd())]
    spec = None
    found = ""
    for part in module.split("."):
        if locations is None:
            raise ConfigError(f"there is no module '{module}' ('{found}' is no package): {ANY_MODULE}")
        found = f"{found}.{part}" if found else part
        if found in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(found, locations)
        if spec is None and "." not in found and found:
            # Editable installs and namespace tricks are found by other finders; ask them about the top level only.
            spec = importlib.util.find_spec(found)
        if spec is None:
            part_of = "" if found == module else f" ('{found}' was not found)"
            raise ConfigError(f"there is no module '{module}'{part_of}: {ANY_MODULE}")
        locations = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else None
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


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


def _collect(nodes: list[Any], options: list[Any], is_function: bool) -> Parameters:
    """Put the arguments of several definitions together."""
    arguments = [node.args for node in nodes]
    return Parameters(
        annotations={arg.arg: arg.annotation for args in arguments for arg in (*args.args, *args.kwonlyargs)},
        open=any(node.args.kwarg for node in options),
        is_function=is_function,
    )
