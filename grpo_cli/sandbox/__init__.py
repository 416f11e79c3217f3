"""Running programs that nobody has read: the sandbox for code that a model wrote (Linux, standard library only)."""

from __future__ import annotations

from grpo_cli.sandbox.isolation import describe, missing_isolation, protections, require_isolation
from grpo_cli.sandbox.program import Isolation, Limits, Outcome, Program

__all__ = [
    "Isolation",
    "Limits",
    "Outcome",
    "Program",
    "describe",
    "missing_isolation",
    "protections",
    "require_isolation",
]
