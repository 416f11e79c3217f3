"""Which checkpoints of a run are whole, and taking a run back to one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, parse, write_atomic, write_json

# Written into a checkpoint after everything else in it, so a folder without it was cut short by a kill.
COMPLETE_MARK = "complete.json"


def step_of(checkpoint: Path) -> int:
    """The optimizer step of a `checkpoint-<step>` folder; -1 when its name is not of that form."""
    prefix, _, step = checkpoint.name.rpartition("-")
    return int(step) if prefix == "checkpoint" and step.isdigit() else -1


def mark_complete(checkpoint: Path, world_size: int, folder: RunFolder) -> None:
    """Record that a checkpoint is whole: the size of each of its files, and of the run's records at its moment.

    Args:
        checkpoint: where it was saved.
        world_size: how many ranks have their state in it.
        folder: the run.
    """
    mark = {
        "step": step_of(checkpoint),
        "world_size": world_size,
        "files": _sizes(checkpoint, (p for p in checkpoint.rglob("*") if p.name != COMPLETE_MARK)),
        "records": _sizes(folder.root, record_files(folder)),
    }
    write_json(checkpoint / COMPLETE_MARK, mark)


def record_files(folder: RunFolder) -> list[Path]:
    """The files a run appends its records to: metrics, completions, whatever else is a line a record."""
    return [*folder.root.glob("*.jsonl"), *(folder.root / "completions").glob("*.jsonl")]


def _sizes(root: Path, paths: Iterable[Path]) -> dict[str, int]:
    """Bytes by path below a root."""
    return {str(path.relative_to(root)): path.stat().st_size for path in sorted(paths) if path.is_file()}


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


def rotate(directory: Path, limit: int | None, *, kept: Collection[int] = (), passed: Collection[int] = ()) -> None:
    """Remove the checkpoints that are not needed any more.

    Args:
        directory: holds the `checkpoint-<step>` folders.
        limit: how many of the newest stay (`training.save_total_limit`); None for all.
        kept: steps that stay beside them: the best so far.
        passed: steps saved only because they were among the best, which they no longer are.
    """
    found = sorted((p for p in directory.glob("checkpoint-*") if step_of(p) >= 0), key=step_of)
    # The newest always stays: it is what an interrupted run goes on from.
    others = [p for p in found[:-1] if step_of(p) not in kept]
    going = {p for p in others if step_of(p) in passed}
    ordinary = [p for p in others if p not in going]
    if limit and limit > 0:
        room = limit - (step_of(found[-1]) not in kept) if found else 0
        going |= set(ordinary[: max(0, len(ordinary) - room)])
    for path in going:
        shutil.rmtree(path, ignore_errors=True)


def roll_back(folder: RunFolder, checkpoint: Path) -> None:
    """Take a run's records back to the moment of a checkpoint, so that the resumed run writes each one once.

    What was written after it is moved to `logs/superseded/`, not deleted; later checkpoints and those cut
    short by a kill are removed.

    Args:
        folder: the run.
        checkpoint: the one that training goes on from.
    """
    sizes = json.loads((checkpoint / COMPLETE_MARK).read_text())["records"]
    for path in record_files(folder):
        _cut(path, sizes.get(str(path.relative_to(folder.root)), 0), folder.logs / "superseded" / path.name)
    for other in checkpoint.parent.glob("checkpoint-*"):
        if step_of(other) > step_of(checkpoint) or (step_of(other) >= 0 and not is_complete(other)):
            shutil.rmtree(other)


def _cut(path: Path, size: int, superseded: Path) -> None:
    """Keep the first `size` bytes of a file of records; move the records after them to another file."""
    content = path.read_bytes()
    if len(content) <= size:
        return
    append(superseded, *parse(content[size:].decode("utf-8", errors="replace").split("\n")))
    write_atomic(path, content[:size].decode("utf-8"))
