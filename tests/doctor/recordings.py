"""Runs that were recorded: metrics and digests of completions, as the doctor saw them, each with the run's facts.

All were trained for real on the embedded model (`default_seed<n>`: its defaults), with a fault planted in most.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.digest import Digest
from grpo_cli.doctor.doctor import Doctor
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import Finding

FOLDER = Path(__file__).parent / "recorded"


def load(name: str) -> list[dict[str, Any]]:
    """The lines of a recording, the facts first."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def changed(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    """A recording with something done to each of its training logs."""
    return [change(dict(line)) if line.get("kind") == "train" else line for line in load(name)]


def examine(lines: Iterable[dict[str, Any]], **settings: Any) -> list[Finding]:
    """Let the doctor see a recording from its first line to its last."""
    lines = list(lines)
    doctor = Doctor(Facts.of(lines[0]["facts"]), DoctorConfig(**settings))
    found = []
    for line in lines[1:]:
        if "digest" in line:
            doctor.history.digests.append(Digest.of(line["digest"]))
        else:
            found += doctor.metrics(line)
    return found
