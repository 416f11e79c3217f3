"""Composed configurations on machines of one's choice."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grpo_cli.config import compose as compose_module
from grpo_cli.config.freeze import as_dict
from grpo_cli.errors import ConfigError
from grpo_cli.jobs.prepare import make_absolute, translate
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.preflight.composition import composition_findings
from grpo_cli.preflight.finding import Finding
from grpo_cli.preflight.rules import light_findings
from grpo_cli.preflight.situation import Situation, situation_of


def machine(*gpus: str, memory_mib: int = 81920, memory_gib: int = 64) -> Hardware:
    """A machine with these GPUs and a torch that can use them."""
    cards = tuple(Gpu(str(i), f"GPU-{i}", name, memory_mib) for i, name in enumerate(gpus))
    return Hardware("host", "Linux", "CPU", 8, memory_gib * 2**30, cards, "2.13.0", "13.0" if gpus else None)


@pytest.fixture
def machines() -> dict[str, Hardware]:
    """Machines by name."""
    return {
        "cpu": machine(),
        "a100": machine("NVIDIA A100-SXM4-80GB"),
        "a100x4": machine(*["NVIDIA A100-SXM4-80GB"] * 4),
        "a100x4_small_host": machine(*["NVIDIA A100-SXM4-80GB"] * 4, memory_gib=16),
        "v100": machine("Tesla V100-SXM2-16GB", memory_mib=16384),
    }


@pytest.fixture
def situate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines: dict[str, Hardware]) -> Callable[..., Situation]:
    """Compose these overrides from an empty folder, and put the result onto a machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def run(*overrides: str, on: str = "cpu", **facts: Any) -> Situation:
        monkeypatch.setattr(sys, "argv", ["grpo-train"])
        got: list[dict[str, Any]] = []

        def job(cfg: Any, given: list[str]) -> None:
            make_absolute(cfg)
            translate(cfg)
            got.append(as_dict(cfg))

        compose_module.run(list(overrides), job)
        facts.setdefault("env", {"HOME": str(tmp_path)})
        return situation_of(got[0], machines[on], **facts)

    return run


@pytest.fixture
def findings(situate: Callable[..., Situation]) -> Callable[..., list[Finding]]:
    """What grpo-check finds in these overrides: refused by the composer, or by the rules."""

    def run(*overrides: str, **facts: Any) -> list[Finding]:
        try:
            return light_findings(situate(*overrides, **facts))
        except ConfigError as error:
            return composition_findings(error.problems, overrides)

    return run


@pytest.fixture
def pasted() -> Callable[[list[str], str], list[str]]:
    """A command line with a fix pasted: a key that is there already gets the new value."""

    def run(overrides: list[str], fix: str) -> list[str]:
        parts = shlex.split(fix)
        keys = {part.partition("=")[0] for part in parts}
        return [*(o for o in overrides if o.partition("=")[0] not in keys), *parts]

    return run
