"""What a start goes on with: an earlier run, with which differences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from grpo_cli.config.freeze import as_dict
from grpo_cli.errors import ConfigError
from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.situation import Situation
from grpo_cli.rewards.source import run_sources
from grpo_cli.runs.checkpoints import COMPLETE_MARK, step_of
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import read_json
from grpo_cli.runs.resume import Resumption, differences, explicit, find_interrupted, fingerprint, resumable

# What a checkpoint cannot be loaded into once it has changed.
_SHAPE = ("model.name", "model.revision", "peft.method", "peft.r", "peft.target_modules", "peft.use_dora")
_SHOWN = 8


def explicit_resume(situation: Situation) -> Iterator[Finding]:
    """`resume=<folder>`: whether there is something to go on with, and what has changed since."""
    wanted = str(situation.config["resume"])
    if wanted in ("auto", "never"):
        return
    try:
        chosen = explicit(Path(wanted).expanduser().absolute())
    except ConfigError as error:
        for sentence in error.problems:
            yield Finding(
                "resume.nothing",
                ERROR,
                "resume",
                sentence.rstrip("."),
                "There is no complete checkpoint to load.",
                ("resume=never",),
                said=sentence,
            )
        return
    yield from _changes(situation, chosen)


def _changes(situation: Situation, chosen: Resumption) -> Iterator[Finding]:
    began = OmegaConf.load(chosen.folder.config)
    assert isinstance(began, DictConfig)
    old = as_dict(began)
    changed = differences(old, situation.config)
    shape = [line for line in changed if line.startswith(tuple(f"{key}:" for key in _SHAPE))]
    if shape:
        back = " ".join(_back(old, line.partition(":")[0]) for line in shape)
        yield Finding(
            "resume.shape",
            ERROR,
            shape[0].partition(":")[0],
            f"resume={chosen.folder.root}: the checkpoint is of another model: {'; '.join(shape)}",
            "Its weights and its optimizer's state cannot be loaded into the one that is asked for.",
            (back, "resume=never"),
        )
    elif changed:
        more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        yield Finding(
            "resume.changed",
            NOTE,
            "resume",
            f"the resumed run goes on with a changed configuration: {'; '.join(changed[:_SHOWN])}{more}",
            "What was trained so far was trained otherwise, and the run folder's record will say both.",
            ("resume=never",),
        )
    world = read_json(chosen.checkpoint / COMPLETE_MARK).get("world_size")
    if world and world != situation.world_size:
        yield Finding(
            "resume.world_size",
            WARNING,
            "launch.num_processes",
            f"the checkpoint was saved by {world} processes and goes on with {situation.world_size}",
            "Training goes on, but not bit for bit as it would have; the batch per step changes with it.",
            (f"launch.num_processes={world}",),
        )


def _back(old: dict, key: str) -> str:
    section, _, name = key.partition(".")
    if key == "model.name":
        return f"model={old[section][name]}"
    value = old.get(section, {}).get(name)
    return f"{key}={'null' if value is None else value}"


def goes_on(situation: Situation) -> Iterator[Finding]:
    """`resume=auto`: the interrupted run that would be gone on with."""
    if situation.config["resume"] != "auto" or situation.folder is None:
        return
    identity = fingerprint(situation.config, run_sources(situation.config))
    new = situation.folder
    found = resumable(RunFolder(new), identity) if situation.named else find_interrupted(new.parent, identity, new)
    if found:
        yield Finding(
            "resume.goes_on",
            NOTE,
            "resume",
            f"the run goes on with {found.folder.root} from step {step_of(found.checkpoint)}",
            "It is of this same configuration and did not finish.",
            ("resume=never",),
        )


RULES = (explicit_resume, goes_on)
