"""Which arguments a target takes, read from its source: nothing of the user's is run, nothing heavy imported."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_cli.config.importer import nearest, split_target
from grpo_cli.config.source import find_source


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


def parameters_of(target: str) -> Parameters | None:
    """Read what a target takes.

    Args:
        target: "package.module:name" or "path/to/file.py:name".

    Returns:
        Its parameters; None where parsing cannot tell (no source, a decorator, a base class, a name made at
        run time).
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
        f"{key}.{name}: {target} has no argument '{name}' to set{nearest(name, known)}"
        for name in given
        if name not in known
    ]


def _collect(nodes: list[Any], options: list[Any], is_function: bool) -> Parameters:
    """Put the arguments of several definitions together."""
    arguments = [node.args for node in nodes]
    return Parameters(
        annotations={arg.arg: arg.annotation for args in arguments for arg in (*args.args, *args.kwonlyargs)},
        open=any(node.args.kwarg for node in options),
        is_function=is_function,
    )
