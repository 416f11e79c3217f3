"""The folder a start works in: claimed from other processes, an earlier run's records taken up, unused ones removed."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from grpo_cli.config.compose import discard_empty
from grpo_cli.config.freeze import as_dict, freeze
from grpo_cli.errors import RunError
from grpo_cli.runs.checkpoints import roll_back, step_of
from grpo_cli.runs.disk import write_problem
from grpo_cli.runs.folder import RunFolder, set_aside
from grpo_cli.runs.jsonl import append, read, write_atomic
from grpo_cli.runs.lock import FolderInUse, own
from grpo_cli.runs.resume import Resumption, differences, explicit, find_interrupted, resumable


@contextlib.contextmanager
def claimed(
    config: dict[str, Any], identity: str, new: RunFolder, alone: bool
) -> Iterator[tuple[RunFolder, Resumption | None]]:
    """Own the folder this start works in: that of a run it goes on with, or its new one.

    Args:
        config: the configuration.
        identity: its fingerprint.
        new: the folder Hydra made for this start.
        alone: whether an earlier run in another folder may be gone on with.

    Yields:
        The folder, and what to go on from.

    Raises:
        FolderInUse: another process owns it.
    """
    with contextlib.ExitStack() as held:
        resumption = choose_run(config, identity, new, alone)
        if resumption and resumption.folder != new and config["resume"] == "auto":
            try:
                held.enter_context(own(resumption.folder))
            except FolderInUse:  # the same command, started twice: the other one was first
                resumption = None
            else:
                # Once more, now that nobody else changes it: it may have been gone on with meanwhile.
                resumption = resumable(resumption.folder, identity, owned=True)
            if resumption:
                yield resumption.folder, resumption
                return
        folder = resumption.folder if resumption else new
        held.enter_context(own(folder))
        if config["resume"] == "auto" and not alone:
            # Its process may have been on its way out when it was looked at first.
            resumption = resumable(folder, identity, owned=True)
        if not resumption and (aside := set_aside(folder)):
            print(f"The earlier run in {folder.root} was moved to {aside}.", file=sys.stderr)
        yield folder, resumption


def choose_run(config: dict[str, Any], identity: str, new: RunFolder, alone: bool) -> Resumption | None:
    """Decide by the `resume` key whether this start goes on with an earlier run, or starts in `new` (None)."""
    resume = config["resume"]
    if resume == "never":
        return None
    if resume != "auto":
        chosen = explicit(Path(resume).expanduser().absolute())
        tell_differences(chosen, config)
        return chosen
    return find_interrupted(new.root.parent, identity, new.root) if alone else resumable(new, identity)


def tell_differences(chosen: Resumption, config: dict[str, Any]) -> None:
    """Say on stderr what the resumed run will do differently from how it began."""
    began = OmegaConf.load(chosen.folder.config)
    assert isinstance(began, DictConfig)
    changed = differences(as_dict(began), config)
    if changed:
        print("The resumed run goes on with a changed configuration:", *changed, sep="\n  ", file=sys.stderr)


def freeze_into(
    folder: RunFolder,
    cfg: DictConfig,
    config: dict[str, Any],
    overrides: list[str],
    resumption: Resumption | None,
) -> None:
    """Write the frozen configuration, and take a resumed run's records back to its checkpoint."""
    OmegaConf.update(cfg, "resume_from", str(resumption.checkpoint) if resumption else None, force_add=True)
    write_atomic(folder.config, freeze(cfg))
    write_atomic(folder.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    if resumption:
        step = step_of(resumption.checkpoint)
        roll_back(folder, resumption.checkpoint)
        print(f"Going on with {folder.root} from step {step} (resume=never starts afresh).", file=sys.stderr)


def set_events_aside(folder: RunFolder) -> None:
    """Put an earlier attempt's events aside, so that the display shows this attempt only."""
    append(folder.logs / "superseded" / folder.events.name, *read(folder.events))
    folder.events.unlink(missing_ok=True)


@contextlib.contextmanager
def readable_write_errors(folder: RunFolder) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one sentence."""
    try:
        yield
    except OSError as error:
        problem = write_problem(error, folder.root)
        if problem is None:
            raise
        raise RunError(problem) from error


@contextlib.contextmanager
def removed_if_unused(folder: RunFolder, top: Path) -> Iterator[None]:
    """Remove the folder Hydra made before the run when nothing was written into it, with its empty parents."""
    try:
        yield
    except FolderInUse:
        raise  # what lies in it is another run's
    except BaseException:
        discard(folder, top)
        raise
    else:
        discard(folder, top)


def discard(folder: RunFolder, top: Path) -> None:
    """Remove a run folder in which no run has begun; `top` is the last folder above it that may go."""
    if not folder.config.exists():
        if folder.logs.is_dir() and [p.name for p in folder.logs.iterdir()] == [folder.lock.name]:
            shutil.rmtree(folder.logs)
        discard_empty(folder.root, top)
