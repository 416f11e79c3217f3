"""What the nodes of one run must have in common, and how to say that they have not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MUST_AGREE = ("grpo-train", "torch", "transformers", "trl", "accelerate")
NOT_COMPARED = ("launch.nodes.rank", "display", "resume_from")


def disagreement(mine: Mapping[str, Any], theirs: Mapping[str, Any], rank: int) -> str | None:
    """How another node differs from this one in what they must have in common; None where it does not."""
    for name in MUST_AGREE:
        here, there = mine["packages"].get(name), theirs["packages"].get(name)
        if here != there:
            return f"node {rank} ({theirs['host']}) has {name} {there}, node 0 ({mine['host']}) has {here}."
    for what, flat in (("configuration", "config"), ("rewards' source", "rewards")):
        keys = sorted({*mine[flat], *theirs[flat]} - set(NOT_COMPARED))
        different = [k for k in keys if mine[flat].get(k) != theirs[flat].get(k)]
        if different:
            shown = ", ".join(f"{k} is {mine[flat].get(k)} here and {theirs[flat].get(k)} there" for k in different[:3])
            return (
                f"node {rank} ({theirs['host']}) was started with another {what} than node 0 ({mine['host']}): "
                f"{shown}; start the same command on every node."
            )
    for what in ("processes", "kind"):
        if mine[what] != theirs[what]:
            return (
                f"node {rank} ({theirs['host']}) would run {what}={theirs[what]} and node 0 ({mine['host']}) "
                f"{mine[what]}; every node must run as many ranks on the same kind of hardware: set "
                "launch.num_processes and launch.kind."
            )
    return None
