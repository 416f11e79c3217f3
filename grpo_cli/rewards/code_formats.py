"""The forms in which data sets keep the tests of a program, brought into one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FORMS = (
    'write {"inputs": [...], "outputs": [...]}, a list of {"input": ..., "output": ...}, a list of assert '
    "statements, or the source of check(candidate)"
)


@dataclass
class Tests:
    """What a program is tested with.

    Attributes:
        pairs: (what it reads, what it is to print).
        functions: source that asserts or defines `check(candidate)`, or a call and its value, as
            `function_verdicts` takes them.
        entry: name of the function that is called; None where the data do not say.
        setup: source that belongs to the tests.
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    functions: list[str | dict[str, Any]] = field(default_factory=list)
    entry: str | None = None
    setup: str = ""


def parse_tests(tests: Any) -> Tests:
    """Read the tests of one row.

    Args:
        tests: a value of the column, or JSON text of one: `{"inputs": [...], "outputs": [...]}` with, for calls,
            `"fn_name"` (APPS, TACO); a list of `{"input": ..., "output": ...}` (PrimeIntellect: `"fn_name"` for
            calls); a list of assert statements, or `{"test_list": [...], "test_setup_code": ...}` (MBPP); the
            source of `check(candidate)`, or `{"test": source, "entry_point": name}` (HumanEval).

    Returns:
        The same in one form; without any test where the column is empty.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> parse_tests('{"inputs": ["1\\\\n"], "outputs": ["2\\\\n"]}').pairs
        [('1\\n', '2\\n')]
        >>> parse_tests(["assert f(1) == 2"]).functions
        ['assert f(1) == 2']
    """
    found = Tests()
    if isinstance(tests, str):
        tests = _from_text(tests)
    if tests is None or tests == []:
        return found
    if isinstance(tests, Mapping):
        _read_mapping(tests, found)
    elif isinstance(tests, Sequence) and not isinstance(tests, (str, bytes)):
        for test in tests:
            if isinstance(test, str):
                found.functions.append(test)
            elif isinstance(test, Mapping):
                _read_mapping(test, found)
            else:
                raise ValueError(f"a test is a {type(test).__name__}: {_FORMS}")
    else:
        raise ValueError(f"the tests are a {type(tests).__name__}: {_FORMS}")
    return found


def _from_text(text: str) -> Any:
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    return [value] if isinstance(value, str) else value


def _read_mapping(test: Mapping[str, Any], found: Tests) -> None:
    # A data set stores a key that only some rows have as None in the others.
    test = {key: value for key, value in test.items() if value is not None}
    entry = test.get("entry_point", test.get("fn_name"))
    if entry is not None and found.entry not in (None, entry):
        raise ValueError(f"tests of two functions, {found.entry} and {entry}, cannot stand in one row")
    found.entry = found.entry if entry is None else str(entry)
    setup = [test.get("test_setup_code") or test.get("setup") or "", *(test.get("test_imports") or ())]
    found.setup = "\n".join(part for part in (found.setup, *setup) if part)
    if "test_cases" in test:
        inner = parse_tests(test["test_cases"])
        found.pairs += inner.pairs
        found.functions += inner.functions
        found.entry = found.entry or inner.entry
    elif "test_list" in test:
        found.functions += [str(one) for one in test["test_list"]]
    elif "test" in test:
        found.functions.append(str(test["test"]))
    elif {"input", "output"} <= set(test):
        _add(found, test["input"], test["output"], call="fn_name" in test)
    elif {"inputs", "outputs"} <= set(test):
        if len(test["inputs"]) != len(test["outputs"]):
            raise ValueError(f"{len(test['inputs'])} inputs and {len(test['outputs'])} outputs: write as many of each")
        for given, expected in zip(test["inputs"], test["outputs"], strict=True):
            _add(found, given, expected, call="fn_name" in test)
    else:
        raise ValueError(f"a test has the keys {', '.join(map(str, test)) or '(none)'}: {_FORMS}")


def _add(found: Tests, given: Any, expected: Any, *, call: bool) -> None:
    if not call:
        found.pairs.append((_as_text(given), _as_text(expected)))
        return
    # Some sets keep the arguments as JSON, one per line.
    arguments = [json.loads(line) for line in given.splitlines() if line.strip()] if isinstance(given, str) else given
    if isinstance(expected, str):
        with contextlib.suppress(ValueError):
            expected = json.loads(expected)
    elif isinstance(expected, list) and len(expected) == 1:
        # APPS wraps the value of a call in a list; a function that returns such a list is wrapped too.
        expected = expected[0]
    found.functions.append({"arguments": list(arguments), "expected": expected})


def _as_text(value: Any) -> str:
    """Text as it is; a list is its lines."""
    return "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
