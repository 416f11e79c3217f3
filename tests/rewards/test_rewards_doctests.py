"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import grpo_cli.rewards

MODULES = sorted(module.name for module in pkgutil.iter_modules(grpo_cli.rewards.__path__))
WITH_EXAMPLES = ("correctness", "extract", "form", "length", "repetition", "signature", "text")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    results = doctest.testmod(importlib.import_module(f"grpo_cli.rewards.{name}"))

    assert results.failed == 0
    assert results.attempted > 0 or name not in WITH_EXAMPLES
