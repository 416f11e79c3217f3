"""Files and folders: models, templates and data that are not there, the run folder, room on the disk."""

from __future__ import annotations

import errno
import fcntl
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grpo_cli.config.evaluation import as_entry
from grpo_cli.data.check import required_data_files
from grpo_cli.forecast.setup import setup_of
from grpo_cli.forecast.states import states
from grpo_cli.launch.elsewhere import is_elsewhere
from grpo_cli.preflight.files import file_problems
from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding, from_sentence
from grpo_cli.preflight.show import size
from grpo_cli.preflight.situation import Situation
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.lock import owner

_SPARE = 64 * 2**20  # logs, completions, reports


def named_files(situation: Situation) -> Iterator[Finding]:
    """Models, tokenizers, templates and data files that the configuration names."""
    for sentence in file_problems(situation.config):
        yield from_sentence("files.model", sentence, why="The worker would find it out after its imports.")
    entries = situation.config["evaluation"].get("datasets") or {}
    further = {f"evaluation.datasets.{name}": as_entry(entry) for name, entry in entries.items()}
    sentences = [
        *required_data_files(situation.config["dataset"]),
        *(sentence for key, entry in further.items() for sentence in required_data_files(entry, key)),
    ]
    for sentence in sentences:
        yield from_sentence("files.data", sentence, why="The worker would find it out after its imports.")


def folder_in_use(situation: Situation) -> Iterator[Finding]:
    """A run folder that another live grpo-train owns, or that holds an earlier run."""
    if situation.folder is None or not situation.named:
        return
    folder = RunFolder(situation.folder)
    other = f"hydra.run.dir={_beside(situation.folder)}"
    if process := _owner(folder.lock):
        yield Finding(
            "files.folder_in_use",
            ERROR,
            "hydra.run.dir",
            f"The run folder {situation.folder} is in use by process {process}",
            "Two runs in one folder would overwrite each other's records.",
            (other,),
            said=f"The run folder {situation.folder} is in use by process {process}; wait for it to end, or give this "
            "run a folder of its own.",
        )
    elif folder.result.exists():
        yield Finding(
            "files.folder_holds_a_run",
            NOTE,
            "hydra.run.dir",
            f"{situation.folder} holds an earlier run",
            "It is gone on with if it is the same run unfinished, and else moved to `earlier/` inside the folder.",
            (other,),
        )


def disk_space(situation: Situation) -> Iterator[Finding]:
    """Room for the checkpoints and the model that the run will write."""
    setup = setup_of(situation)
    if setup is None or is_elsewhere(situation.hardware):  # of a made-up machine the disk is not known
        return
    top = Path(str(situation.folder or situation.config["paths"]["output_dir"]))
    try:
        free = situation.free_bytes(top)
    except OSError:
        return
    apart = replace(setup, sharding="none", offload_optimizer="none", offload_param="none")  # all ranks' together
    adapter = setup.adapter_rank is not None
    weights = setup.trained * 4 if adapter else setup.model.parameters * setup.weight_bytes
    state = 0 if situation.value("save_only_model") else states(apart).optimizer
    limit = situation.value("save_total_limit")
    # The new checkpoint is whole before the oldest is removed; there are no more than are written.
    kept = 0 if situation.value("save_strategy") == "no" else (int(limit) if limit else 3) + 1
    steps, every = situation.value("max_steps"), situation.value("save_steps")
    if steps > 0 and every >= 1 and situation.value("save_strategy") == "steps":
        kept = min(kept, math.ceil(steps / every))
    final = weights if not adapter or not situation.config["peft"]["merge"] else setup.model.parameters * 2
    most, least = final + kept * (weights + state), final + min(kept, 1) * (weights + state)
    if free >= most + _SPARE:
        return
    severity = ERROR if free < least + _SPARE else WARNING
    fixes = []
    if kept and not situation.value("save_only_model"):
        fixes.append("training.save_only_model=true")
    if kept > 2:
        fixes += ["training.save_total_limit=1", "training.save_only_model=true training.save_total_limit=1"]
    if kept:
        fixes.append("training.save_strategy=no")
    yield Finding(
        "files.disk_space",
        severity,
        "paths.output_dir",
        f"paths.output_dir: {size(free)} are free and the run will write up to {size(most)} beside logs and completions"
        + (f" ({kept} checkpoint{'s' * (kept > 1)} of {size(weights + state)}, and the model)" if kept else ""),
        "A full disk ends the run while it saves; checkpoints hold the optimizer's state beside the weights.",
        tuple(fixes),
    )


def _owner(lock: Path) -> str | None:
    """The process that holds a folder's lock; None where nobody does. Nothing is created or changed."""
    try:
        fd = os.open(lock, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            return None
        return owner(fd)
    finally:
        os.close(fd)
    return None


def _beside(folder: Path) -> Path:
    """A folder name beside one that is taken."""
    relative = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    number = next(n for n in range(2, 1000) if not folder.with_name(f"{folder.name}-{n}").exists())
    return relative.with_name(f"{folder.name}-{number}")


RULES = (named_files, folder_in_use, disk_space)
