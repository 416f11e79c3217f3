from __future__ import annotations

import sys

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.rewards import code_readability as module
from grpo_cli.rewards.code_readability import code_readability

CLEAN = """
def total(prices):
    \"\"\"Sum of the prices.\"\"\"
    result = 0
    for price in prices:
        result += price
    return result
"""
UNTIDY = """
import os, sys
def total(l):
    x = 1
    if l == None: return None
    result = 0
    for i in l: result += i
    return result
"""
TANGLED = "def f(a, b, c):\n" + "".join(
    f"    if a > {n} and (b or c) and [x for x in a if x]:\n        a -= 1\n" for n in range(9)
)


def fenced(code):
    return f"```python\n{code}```"


def test_a_clean_program_beats_an_untidy_and_a_tangled_one():
    clean, untidy, tangled = (code_readability(fenced(code)) for code in (CLEAN, UNTIDY, TANGLED))
    assert clean == pytest.approx(1 - 0.5 * 1 / 6)  # one decision in six lines, no finding
    assert untidy < clean - 0.3
    assert tangled < clean - 0.3


def test_the_shares_are_weighed():
    assert code_readability(fenced(CLEAN), lint_weight=1.0) == 1.0
    assert code_readability(fenced(CLEAN), lint_weight=0.0) == pytest.approx(1 - 1 / 6)
    # import os, sys: two unused and one line of two, in one line.
    assert code_readability(fenced("import os, sys\n"), rules="F401", lint_weight=1.0) == 0.0
    assert code_readability(fenced("import os\n" + "x = 1\n" * 9), rules="F401", lint_weight=1.0) == 0.5


def test_what_the_program_says_of_the_linter_does_not_count():
    quiet = "# ruff: noqa\n" + UNTIDY.replace("import os, sys", "import os, sys  # noqa")
    assert code_readability(fenced(quiet)) == pytest.approx(code_readability(fenced(UNTIDY)))


def test_decisions_inside_of_what_is_inside_count():
    inner = (
        "class A:\n    class B:\n        def f(self, x):\n            def g():\n                return 1 if x else 2\n"
    )
    inner += "            return g\n"
    assert code_readability(fenced(inner), lint_weight=0.0) == pytest.approx(1 - 1 / 6)


@pytest.mark.parametrize(
    "completion",
    ["", "No program here.", "```python\n```", "```python\n# only words\n```", "```python\ndef f(:\n```"]
    + [f"```python\n{'(' * 5000}\n```", "```python\nx = 1\x00\n```", "<think>```python\nx = 1\n```"]
    + ["```python\nx = 1"],
)  # fmt: skip
def test_what_is_no_program_gets_nothing(completion):
    assert code_readability(completion) == 0.0


@pytest.mark.parametrize("options", [{"lint_weight": 1.5}, {"rules": " "}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        code_readability("", **options)


def test_a_missing_extra_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "radon", None)
    monkeypatch.setattr(module.shutil, "which", lambda *arguments, **options: None)
    module._ruff.cache_clear()
    with pytest.raises(ConfigError, match=r"needs ruff and radon: install with pip install 'grpo-train\[code\]'"):
        code_readability("")
    module._ruff.cache_clear()
