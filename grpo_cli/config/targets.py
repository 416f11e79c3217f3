"""Does a `target` exist, and does it take these arguments? Answered from the source, nothing of it is run.

A user's file may import torch, open a model or simply be broken; reading its syntax tree tells all that a
config can get wrong (file, function, keyword arguments) in a millisecond.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from grpo_cli.config.suggest import nearest, or_list

# What the trainer passes to every reward, beside the data set's columns.
PASSED = frozenset(
    {
        "self",
        "prompts",
        "completions",
        "completion_ids",
        "prompt",
        "completion",
        "trainer_state",
        "log_extra",
        "log_metric",
    }
)

_Callable = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _source_of(module: str) -> Path | None:
    """Find our own module's file beside this package; other packages' modules are not looked into."""
    if module.split(".")[0] != "grpo_cli":
        return None
    base = Path(__file__).resolve().parents[2].joinpath(*module.split("."))
    file = base.with_suffix(".py")
    return file if file.exists() else base / "__init__.py"


def _definitions(tree: ast.Module) -> dict[str, ast.AST | None]:
    """Names a module defines at its top level; None for those whose signature the text does not show."""
    found: dict[str, ast.AST | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node in tree.body:
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update({alias.asname or alias.name: None for alias in node.names})
        elif isinstance(node, ast.Assign):
            found.update({t.id: None for t in node.targets if isinstance(t, ast.Name)})
    return found


def _signature(node: ast.AST | None) -> tuple[list[str], bool] | None:
    """Names a callable takes by keyword, and whether it takes any (**kwargs); None: not to be told."""
    if isinstance(node, ast.ClassDef):
        init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is None:
            return None  # inherited, or made by a decorator
        node = init
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    known_wrappers = {"staticmethod", "classmethod"}
    if any(not (isinstance(d, ast.Name) and d.id in known_wrappers) for d in node.decorator_list):
        return None
    args = node.args
    return [a.arg for a in args.args + args.kwonlyargs], args.kwarg is not None


def problems(key: str, target: str, arguments: Iterable[str], passed: frozenset[str] = PASSED) -> list[str]:
    """Check a target written in a config.

    Args:
        key: the config key that holds the target ("reward.polite.target").
        target: "path/to/file.py:name" or "package.module:name".
        arguments: the keyword arguments the config gives it.
        passed: parameters that the program fills in by itself.

    Returns:
        One sentence per problem; none for a third party's module, which is not looked into.
    """
    module, colon, name = target.rpartition(":")
    if not colon or not module or not name.isidentifier():
        return [f"{key} must look like my_rewards.py:function or package.module:function, not '{target}'."]
    if module.endswith(".py") or "/" in module:
        file: Path | None = Path(module).expanduser()
    else:
        file = _source_of(module)
    if file is None:
        return []
    if not file.is_file():
        if not (module.endswith(".py") or "/" in module):
            return [f"{key}: there is no module {module} in grpo-train."]
        near = (
            nearest(file.name, [p.name for p in file.parent.glob("*.py")]) if file.parent.is_dir() else None
        )
        hint = f"did you mean {file.with_name(near)}?" if near else f"looked from {Path.cwd()}."
        return [f"{key}: there is no file {module}; {hint}"]
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as e:
        where = f"{file}:{e.lineno}" if isinstance(e, SyntaxError) else str(file)
        return [f"{key}: {where} is not valid Python ({e.msg if isinstance(e, SyntaxError) else e})."]
    defined = _definitions(tree)
    if name not in defined:
        callables = [
            n for n, node in defined.items() if isinstance(node, _Callable) and not n.startswith("_")
        ]
        near = nearest(name, callables)
        hint = f"; did you mean {near}?" if near else "."
        there = f"It defines {or_list(callables)}." if callables else "It defines no function."
        return [f"{key}: {module} has no function {name}{hint} {there}"]
    return _bad_arguments(key, f"{module}:{name}", _signature(defined[name]), arguments, passed)


def _bad_arguments(
    key: str,
    target: str,
    signature: tuple[list[str], bool] | None,
    arguments: Iterable[str],
    passed: frozenset[str],
) -> list[str]:
    """Say which keyword arguments the target does not take."""
    if signature is None:
        return []
    names, takes_any = signature
    takes = [n for n in names if n not in passed]  # the data set's columns among them
    found = []
    for argument in arguments:
        where = f"{key.rpartition('.')[0]}.{argument}"
        if argument in passed:
            found.append(
                f"{where}: {argument} is passed by the trainer; give the argument of {target} another name."
            )
        elif argument not in names and not takes_any:
            near = nearest(argument, takes)
            hint = f"; did you mean {near}?" if near else "."
            what = f"It takes {or_list(takes)}." if takes else "It takes no arguments of its own."
            found.append(f"{where}: {target} takes no argument {argument}{hint} {what}")
    return found
