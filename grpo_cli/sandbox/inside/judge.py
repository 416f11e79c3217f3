"""Holds the tests and decides; the code under test is in another sandbox and is reached by calls alone.

Descriptors: 4 what to test, 5 the candidate's answers, 6 our requests, 7 the verdicts (one byte per test: 1 or 0).
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import sys

from grpo_cli.sandbox.inside.wire import Line, allow_long_numbers, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Gone(BaseException):
    """The code under test has ended; no Exception, so that no test catches it."""


class Remote:
    """Stands for an object on the other side: it can be called and asked for attributes, and equals only itself."""

    def __init__(self, line: Line, number: int) -> None:
        self.__dict__.update(_line=line, _number=number)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it over there; what it does to its arguments is done to them here too."""
        given = list(arguments)
        answer = self._ask(
            {"do": "call", "arguments": encode(given, self._refer), "options": encode(options, self._refer)}
        )
        after = decode(answer.get("arguments"), self._find)
        if isinstance(after, list) and len(after) == len(given):
            for mine, theirs in zip(given, after, strict=True):
                _become(mine, theirs)
        return decode(answer["value"], self._find)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return decode(self._ask({"do": "attribute", "name": name})["value"], self._find)

    def __bool__(self) -> bool:
        raise TypeError("an object of the tested code is neither true nor false")

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return ask(self._line, {**request, "target": self._number})

    def _find(self, number: int) -> Remote:
        return Remote(self._line, number)

    @staticmethod
    def _refer(value: Any) -> int:
        if isinstance(value, Remote):
            return int(value._number)
        raise TypeError(f"a {type(value).__name__} cannot be given to the tested code, only plain data")


def _become(mine: Any, theirs: Any) -> None:
    """Let a list, dict or set that was an argument have the content that the call left in it."""
    if type(mine) is not type(theirs) or mine == theirs:
        return
    if isinstance(mine, list):
        mine[:] = theirs
    elif isinstance(mine, (dict, set)):
        mine.clear()
        mine.update(theirs)


def ask(line: Line, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request and wait for its answer; an exception on the other side is raised here, by its name."""
    try:
        line.send(request)
        answer = line.receive()
    except (EOFError, OSError):
        raise Gone from None
    if "error" in answer:
        kind = getattr(builtins, str(answer["error"]), None)
        # A failed assertion is for the tests alone to raise, and what is no Exception would end the judge.
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not AssertionError:
            raise kind(str(answer.get("text")))
        raise RuntimeError(str(answer.get("text")))
    return answer


def named(line: Line, name: str) -> Remote:
    """The object of that name in the tested code."""
    number = ask(line, {"do": "name", "name": name})["value"][1]
    return Remote(line, int(number))


class Late:
    """A name of the tested code, looked up when it is used, so that a missing one fails that test only."""

    def __init__(self, line: Line, name: str) -> None:
        self.__dict__.update(_where=(line, name))

    def _remote(self) -> Remote:
        found = self.__dict__.get("_found")
        if found is None:
            found = self.__dict__["_found"] = named(*self._where)
        return found

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it, as `Remote` does."""
        return self._remote()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote(), name)

    def __bool__(self) -> bool:
        raise TypeError("an object of the tested code is neither true nor false")


def supply(tree: ast.AST, namespace: dict[str, Any], line: Line) -> None:
    """Give the tests the names that they use and do not define: modules of Python's own, else the tested code's.

    A built-in name is never looked up in the tested code, which could otherwise bring an `abs` of its own.
    """
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stored.add(node.name)
        elif isinstance(node, ast.arg):
            stored.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            stored.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    for name in {node.id for node in names} - stored - set(namespace) - set(dir(builtins)):
        namespace[name] = importlib.import_module(name) if name in sys.stdlib_module_names else Late(line, name)


def run(source: str, namespace: dict[str, Any], line: Line) -> None:
    """Run one test in the namespace; it raises where it fails."""
    tree = ast.parse(source)
    supply(tree, namespace, line)
    exec(compile(tree, "tests.py", "exec", dont_inherit=True), namespace)
    if any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body):
        namespace["check"](Late(line, namespace[""]))


def same(value: Any, expected: Any) -> bool:
    """Whether a returned value is the one in the data, which know lists but no tuples, and text keys only."""
    if isinstance(value, (list, tuple)) and isinstance(expected, (list, tuple)):
        return len(value) == len(expected) and all(map(same, value, expected))
    if isinstance(value, dict) and isinstance(expected, dict):
        value = {k if isinstance(k, str) else str(k): v for k, v in value.items()}
        expected = {str(k): v for k, v in expected.items()}
        return set(value) == set(expected) and all(same(value[key], expected[key]) for key in value)
    if isinstance(value, float) and isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return value == expected or abs(value - expected) <= 1e-9 * max(abs(value), abs(expected))
    return type(value) is type(expected) and bool(value == expected)


def main() -> None:
    """Run all tests and write their verdicts."""
    allow_long_numbers()
    with open(4, encoding="utf-8") as file:
        what = json.load(file)
    line = Line(5, 6)
    # Under "" the name of the function that a `check(candidate)` is given.
    namespace: dict[str, Any] = {"__name__": "tests", "": what["entry"]}
    if what["setup"]:
        tree = ast.parse(what["setup"])
        supply(tree, namespace, line)
        exec(compile(tree, "setup.py", "exec", dont_inherit=True), namespace)
    for test in what["tests"]:
        try:
            if isinstance(test, str):
                run(test, namespace, line)
                passed = True
            else:
                value = named(line, what["entry"])(*test["arguments"])
                passed = same(value, test["expected"])
        except Gone:
            # The code under test is gone; whoever started us starts it anew for the tests that are left.
            os.write(7, b"0")
            return
        except BaseException:
            passed = False
        os.write(7, b"1" if passed else b"0")


if __name__ == "__main__":
    main()
