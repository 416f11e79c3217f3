"""What a reward's code looks like, for a run's provenance, without running any of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from grpo_cli.config.targets import find_source


def reward_sources(cfg_reward: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str | None]]:
    """The source file of each reward and its hash, for a run's provenance.

    Args:
        cfg_reward: the `reward:` section of a config.

    Returns:
        name → {"target", "file", "sha256"}; file and hash are None where the code is not a readable file.
    """
    sources = {}
    for name, entry in cfg_reward.items():
        target = str((entry or {}).get("target"))
        file = find_source(target)
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file else None
        sources[str(name)] = {"target": target, "file": str(file) if file else None, "sha256": digest}
    return sources


def run_sources(config: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """The sources of every reward of a run, those of its evaluation too; part of what makes a run the same run.

    Args:
        config: the whole configuration.
    """
    judges = {f"evaluation.{name}": entry for name, entry in config["evaluation"]["reward"].items()}
    return reward_sources({**config["reward"], **judges})
