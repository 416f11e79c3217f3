"""Finding the run that a new start goes on with, and comparing configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.runs.checkpoints import is_complete, latest_checkpoint, step_of
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import COMPLETED, FAILED, INTERRUPTED, RUNNING, read_result

# Keys that say how a run is watched or started, not what it computes.
NOT_COMPARED = ("resume", "resume_from", "display", "dry_run", "sweep", "doctor", "report", "reproduce")
# Of `launch`: which node this is, where nodes meet, what is asked of Slurm, and how a sweep shares the machine out may
# change between two starts.
LAUNCH_NOT_COMPARED = ("nodes", "slurm", "slots", "gpus_per_job", "warm")


@dataclass(frozen=True)
class Resumption:
    """A run to go on with.

    Attributes:
        folder: its folder.
        checkpoint: the checkpoint to start from.
    """

    folder: RunFolder
    checkpoint: Path


def fingerprint(config: Mapping[str, Any], sources: Mapping[str, Any]) -> str:
    """Hash what decides a run's results: its configuration and the source of its rewards.

    Args:
        config: the frozen configuration as plain containers.
        sources: reward sources with their hashes, so that an edited reward is another run.
    """
    compared = {key: value for key, value in config.items() if key not in NOT_COMPARED}
    launch = compared.get("launch") or {}
    compared["launch"] = {key: value for key, value in launch.items() if key not in LAUNCH_NOT_COMPARED}
    compared["nodes"] = (launch.get("nodes") or {}).get("count", 1)
    text = json.dumps([compared, sources], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def find_interrupted(siblings: Path, wanted: str, new: Path) -> Resumption | None:
    """The newest run of the same configuration that did not finish and left a complete checkpoint.

    Args:
        siblings: the folder that holds the runs of this name.
        wanted: the fingerprint of the run being started.
        new: the new run's own folder, not a candidate.
    """
    for path in sorted(siblings.glob("*"), reverse=True):
        folder = RunFolder(path)
        if path == new or not folder.result.exists():
            continue
        result = read_result(folder)
        if result.get("config_fingerprint") == wanted and result.get("status") == COMPLETED:
            return None
        if found := resumable(folder, wanted):
            return found
    return None


def resumable(folder: RunFolder, wanted: str, owned: bool = False) -> Resumption | None:
    """The last complete checkpoint of one run, where the run is of this configuration and did not finish.

    A run that was ended for a reason of its own (`stopped`) is gone on with only where `resume` names it.

    Args:
        folder: the run.
        wanted: the fingerprint of the run being started.
        owned: the caller holds its lock, so that nobody runs it, even where a process that is just ending still shows.
    """
    result = read_result(folder)
    unfinished = (INTERRUPTED, FAILED, RUNNING) if owned else (INTERRUPTED, FAILED)
    if result.get("stopped"):
        return None
    if result.get("config_fingerprint") != wanted or result.get("status") not in unfinished:
        return None
    checkpoint = latest_checkpoint(folder.checkpoints)
    return Resumption(folder, checkpoint) if checkpoint else None


def explicit(path: Path) -> Resumption:
    """The run that `resume=<path>` names: a run folder, or one of its checkpoints.

    Raises:
        ConfigError: nothing there to go on with.
    """
    if step_of(path) >= 0 and path.is_dir():
        if not is_complete(path):
            raise ConfigError(
                f"resume: the checkpoint {path} is not complete (the run was killed while saving it); give the run "
                "folder, and its last complete checkpoint is taken."
            )
        return Resumption(RunFolder(path.parent.parent), path)
    if not path.is_dir():
        raise ConfigError(f"resume: there is no folder {path}; give a run folder, or auto, or never.")
    folder = RunFolder(path)
    if not folder.result.exists():
        raise ConfigError(f"resume: {path} is no run folder (it holds no result.json).")
    if read_result(folder).get("status") == COMPLETED:
        raise ConfigError(
            f"resume: the run in {path} is complete; to train further, start a new run with model.name={folder.model}."
        )
    checkpoint = latest_checkpoint(folder.checkpoints)
    if checkpoint is None:
        raise ConfigError(
            f"resume: {path} holds no complete checkpoint, so there is nothing to go on from; start the run anew."
        )
    return Resumption(folder, checkpoint)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two configurations, one `key: old → new` a line, leaving out what does not matter."""
    flat_old, flat_new = flatten(old), flatten(new)
    keys = [k for k in sorted({*flat_old, *flat_new}) if k.split(".")[0] not in NOT_COMPARED]
    pairs = [(key, flat_old.get(key, {}), flat_new.get(key, {})) for key in keys]
    return [f"{key}: {_as_yaml(x)} → {_as_yaml(y)}" for key, x, y in pairs if x != y]


def _as_yaml(value: Any) -> str:
    """A setting as it is written in YAML; an empty section is one that is not set."""
    if value == {}:
        return "not set"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat
