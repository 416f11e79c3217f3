"""Which checkpoints of a run are whole, and taking a run back to one of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, read, write_atomic, write_json

# Written into a checkpoint after everything else in it, so a folder without it was cut short by a kill.
COMPLETE_MARK = "complete.json"


def step_of(checkpoint: Path) -> int:
    """The optimizer step of a `checkpoint-<step>` folder; -1 when its name is not of that form."""
    prefix, _, step = checkpoint.name.rpartition("-")
    return int(step) if prefix == "checkpoint" and step.isdigit() else -1


def mark_complete(checkpoint: Path, world_size: int) -> None:
    """Record that a checkpoint is whole, with the size of each of its files."""
    sizes = {str(p.relative_to(checkpoint)): p.stat().st_size for p in sorted(checkpoint.rglob("*")) if p.is_file()}
    sizes.pop(COMPLETE_MARK, None)
    write_json(checkpoint / COMPLETE_MARK, {"step": step_of(checkpoint), "world_size": world_size, "files": sizes})


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint holds its mark and every file has the size it was saved with."""
    try:
        files = json.loads((checkpoint / COMPLETE_MARK).read_text())["files"]
        return all((checkpoint / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError):
        return False


def latest_checkpoint(directory: Path) -> Path | None:
    """The complete checkpoint with the highest step in a folder, or None."""
    candidates = [p for p in directory.glob("checkpoint-*") if step_of(p) >= 0]
    return next((p for p in sorted(candidates, key=step_of, reverse=True) if is_complete(p)), None)


def roll_back(folder: RunFolder, step: int, directory: Path) -> None:
    """Take a run's records back to a step, so that the resumed run writes each step once.

    What lies after the step is moved to `logs/superseded/`, not deleted; checkpoints after it and those cut
    short by a kill are removed.

    Args:
        folder: the run.
        step: the optimizer step of the checkpoint that training goes on from.
        directory: where the run's checkpoints lie.
    """
    for path in (folder.metrics, *sorted((folder.root / "completions").glob("*.jsonl"))):
        _truncate_records(path, step, folder.logs / "superseded" / path.name)
    for checkpoint in directory.glob("checkpoint-*"):
        if step_of(checkpoint) > step or (step_of(checkpoint) >= 0 and not is_complete(checkpoint)):
            shutil.rmtree(checkpoint)


def _truncate_records(path: Path, step: int, superseded: Path) -> None:
    """Keep the records up to and including a step; move the later ones to another file."""
    if not path.exists():
        return
    kept: list[dict[str, Any]] = []
    later: list[dict[str, Any]] = []
    for record in read(path):
        (kept if record.get("step", 0) <= step else later).append(record)
    if not later:
        return
    append(superseded, *later)
    write_atomic(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))
