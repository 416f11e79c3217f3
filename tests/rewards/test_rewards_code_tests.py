"""The reward around the sandbox: forms of tests, scores, options; what programs can do is in tests/sandbox."""

from __future__ import annotations

import json
import sys

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.rewards import code_tests as module
from grpo_cli.rewards.code_formats import parse_tests
from grpo_cli.rewards.code_tests import code_tests
from grpo_cli.sandbox import isolation

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


@pytest.mark.parametrize(
    ("tests", "pairs"),
    [
        ({"inputs": ["1\n", "2\n"], "outputs": ["1\n", "4\n"]}, [("1\n", "1\n"), ("2\n", "4\n")]),
        ([{"input": "1", "output": "2", "fn_name": None}], [("1", "2")]),
        ({"test_cases": [{"type": "stdin_stdout", "input": "1", "output": "2"}], "language": "python"}, [("1", "2")]),
        ({"inputs": [["1", "2"]], "outputs": [["3"]]}, [("1\n2", "3")]),
    ],
)
def test_forms_of_input_and_output(tests, pairs):
    assert parse_tests(tests).pairs == pairs
    assert parse_tests(json.dumps(tests)).pairs == pairs


@pytest.mark.parametrize(
    ("tests", "functions", "entry", "setup"),
    [
        (["assert f(1) == 2"], ["assert f(1) == 2"], None, ""),
        ("assert f(1) == 2", ["assert f(1) == 2"], None, ""),
        ({"test_list": ["assert f(1)"], "test_setup_code": "import re"}, ["assert f(1)"], None, "import re"),
        ({"test": "def check(c): pass", "entry_point": "f"}, ["def check(c): pass"], "f", ""),
        (
            {"fn_name": "f", "inputs": [[1, 2]], "outputs": [[3]]},
            [{"arguments": [1, 2], "expected": 3}],
            "f",
            "",
        ),
        (
            [{"fn_name": "f", "input": "1\n[2]", "output": "3"}],
            [{"arguments": [1, [2]], "expected": 3}],
            "f",
            "",
        ),
    ],
)
def test_forms_of_tests_of_functions(tests, functions, entry, setup):
    found = parse_tests(tests)
    assert (found.functions, found.entry, found.setup) == (functions, entry, setup)


@pytest.mark.parametrize("tests", [None, "", "  ", [], "[]"])
def test_no_tests(tests):
    found = parse_tests(tests)
    assert not found.pairs and not found.functions


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (7, "the tests are a int: write"),
        ([7], "a test is a int: write"),
        ({"in": 1}, "a test has the keys in: write"),
        ({"inputs": ["1"], "outputs": []}, "1 inputs and 0 outputs"),
        ([{"fn_name": "f", "input": "1", "output": "1"}, {"fn_name": "g", "input": "1", "output": "1"}], "f and g"),
    ],
)
def test_other_forms_are_refused_in_words(tests, message):
    with pytest.raises(ValueError, match=message):
        parse_tests(tests)


def fenced(code):
    return f"```python\n{code}\n```"


@needs_linux
def test_scores():
    tests = ["assert f(1) == 1", "assert f(2) == 4", "assert f(3) == 9", "assert f(0) == 0"]
    half = fenced("def f(x): return x")
    assert code_tests(half, tests) == 0.0
    assert code_tests(half, tests, score="share") == 0.5
    assert code_tests(half, tests, max_tests=1) == 1.0
    assert code_tests(half, None) is None
    assert code_tests("I cannot do this.", tests) == 0.0
    assert code_tests("", tests) == 0.0


@needs_linux
def test_output_is_compared_without_regard_to_blanks():
    tests = {"inputs": ["3\n"], "outputs": ["1 2 3\n4"]}
    assert code_tests(fenced("print('1  2 3 \\n\\n 4\\n\\n')"), tests) == 1.0
    assert code_tests(fenced("print('1 2 3 4')"), tests) == 0.0
    assert code_tests(fenced("print('1 2 3\\n4'); exit(1)"), tests) == 0.0


@needs_linux
def test_the_checked_function_is_the_prompts():
    check = "def check(candidate):\n    assert candidate(2) == 4\n"
    code = fenced(
        "def square(x): return helper(x)\ndef helper(x): return x * x if x != 2 else 4\ndef last(x): return 0"
    )
    assert code_tests(code, check, prompt="Complete:\ndef square(x):\n") == 1.0
    assert code_tests(code, check, prompt=[{"role": "user", "content": "def square(x):"}]) == 1.0
    assert code_tests(code, check, entry="square") == 1.0
    assert code_tests(code, check) == 0.0


@pytest.mark.parametrize(
    ("option", "value"),
    [("score", "most"), ("language", "C"), ("max_tests", 0), ("cpu_seconds", 0), ("memory_mb", -1), ("processes", 0)],
)
def test_wrong_options_are_refused(option, value):
    with pytest.raises(ValueError, match=option if option != "score" else "all or share"):
        code_tests("", "", **{option: value})


@needs_linux
def test_without_isolation_it_refuses_unless_told(monkeypatch):
    weak = isolation._try_out(isolation.Isolation(as_root=False, drop_user=False, namespaces=False))
    weak = isolation.replace(weak, held=("limits", "privileges"))
    monkeypatch.setattr(isolation, "find_isolation", lambda: weak)
    with pytest.raises(ConfigError, match="could read and change this machine's files, use the network, reach other"):
        code_tests("", "")
    assert code_tests(fenced("print(1)"), {"inputs": [""], "outputs": ["1"]}, allow_unsafe=True) == 1.0


def test_elsewhere_than_on_linux_it_says_so(monkeypatch):
    monkeypatch.setattr(isolation.sys, "platform", "darwin")
    isolation.find_isolation.cache_clear()
    with pytest.raises(ConfigError, match="on Linux only"):
        module.code_tests("", "")
    monkeypatch.undo()
    isolation.find_isolation.cache_clear()
