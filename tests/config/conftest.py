"""Running the command line in this process, from an empty folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from grpo_cli.commands import train
from grpo_cli.config import compose as compose_module


@dataclass
class Outcome:
    """What one command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., Outcome]:
    """Run `grpo-train` with these arguments, from `workdir`."""

    def run(*argv: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["grpo-train", *argv])
        code = train.main()
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def compose(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Compose and check with these arguments; gives the configs that jobs would get, and their overrides."""

    def run(*argv: str) -> list[tuple[DictConfig, list[str]]]:
        monkeypatch.setattr(sys, "argv", ["grpo-train"])
        got: list[tuple[DictConfig, list[str]]] = []

        def job(cfg: DictConfig, overrides: list[str]) -> float:
            got.append((cfg, overrides))
            return 0.5

        compose_module.run(list(argv), job)
        return got

    return run
