"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import grpo_cli.trial


@pytest.mark.parametrize("name", sorted(module.name for module in pkgutil.iter_modules(grpo_cli.trial.__path__)))
def test_docstring_examples_hold(name):
    results = doctest.testmod(importlib.import_module(f"grpo_cli.trial.{name}"))
    assert results.failed == 0
    assert results.attempted > 0 or name not in ("options", "probes", "rows")
