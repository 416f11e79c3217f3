"""The examples in the docstrings of the checks and the forecast."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ("preflight.finding", "preflight.show", "preflight.overlap", "forecast.architecture")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"grpo_cli.{name}"))
    assert failed == 0 and tried > 0
