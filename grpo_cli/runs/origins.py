"""What two runs were made of, and in what of it they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import read_json
from grpo_cli.runs.resume import differences


def origin_differences(a: RunFolder, b: RunFolder) -> dict[str, list[str]]:
    """What two runs were made of that is not the same: configuration, versions, code, machine, rewards, data.

    Returns:
        Section → lines `what: of a → of b`; only sections in which something differs.
    """
    old, new = read_json(a.provenance), read_json(b.provenance)
    found = {
        "configuration": _config_differences(a, b),
        "versions": flat_differences(old.get("packages"), new.get("packages")),
        "code": flat_differences(_git(a, old), _git(b, new)),
        "rewards": flat_differences(_rewards(old), _rewards(new)),
        "hardware": flat_differences(_machine(old), _machine(new)),
        "environment": flat_differences(old.get("environment"), new.get("environment")),
        "data": data_differences(old.get("data"), new.get("data")),
    }
    return {section: lines for section, lines in found.items() if lines}


def data_differences(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[str]:
    """How the rows of two runs differ, by their fingerprints; nothing where one of them is not known (yet)."""
    lines = []
    for split in ("train", "test"):
        x, y = ((data or {}).get(split) or {} for data in (old, new))
        if x and y and (x.get("fingerprint"), x.get("rows")) != (y.get("fingerprint"), y.get("rows")):
            told = (f"{side.get('fingerprint')} ({side.get('rows')} rows)" for side in (x, y))
            lines.append(f"{split} rows: {' → '.join(told)}")
    return lines


def _config_differences(a: RunFolder, b: RunFolder) -> list[str]:
    """The settings that differ, but for where the runs lie and what they were resumed from."""
    configs = []
    for run in (a, b):
        config = OmegaConf.to_container(OmegaConf.load(run.config), resolve=False) if run.config.exists() else {}
        assert isinstance(config, dict)
        configs.append({str(k): v for k, v in config.items() if k not in ("paths", "name")})
    return differences(*configs)


def _git(run: RunFolder, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Commit and uncommitted changes; not the branch, which changes nothing."""
    git = dict(provenance.get("git") or {})
    patch = run.logs / "git.patch"
    changes = patch.read_text(encoding="utf-8", errors="replace") if patch.exists() else ""
    return {"commit": git.get("sha"), "uncommitted changes": f"{len(changes.splitlines())} lines" if changes else None}


def _rewards(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The hash of each reward's source."""
    return {name: str(entry.get("sha256"))[:16] for name, entry in (provenance.get("rewards") or {}).items()}


def _machine(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What computes: processors and how many processes; not how much memory happened to be free."""
    hardware = {k: v for k, v in (provenance.get("hardware") or {}).items() if "free" not in k and "available" not in k}
    launch = provenance.get("launch") or {}
    return {
        **hardware,
        "system": (provenance.get("platform") or {}).get("system"),
        "machine": (provenance.get("platform") or {}).get("machine"),
        "launch kind": launch.get("kind"),
        "processes": launch.get("world_size"),
    }


def flat_differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """What differs between two mappings, one `key: old → new` a line."""
    old, new = old or {}, new or {}
    lines = []
    for key in sorted({*old, *new}, key=str):
        x, y = old.get(key), new.get(key)
        if isinstance(x, Mapping) and isinstance(y, Mapping):
            lines += flat_differences(x, y, f"{prefix}{key}.")
        elif x != y:
            lines.append(f"{prefix}{key}: {'none' if x is None else x} → {'none' if y is None else y}")
    return lines
