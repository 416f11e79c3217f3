"""Read a run folder into memory, whatever state it is in: empty, running, killed, or finished."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.errors import ConfigError
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.metrics import number
from grpo_cli.runs.result import read_json, read_result

Record = dict[str, Any]


@dataclass
class Run:
    """What a run folder holds, completions apart (they are read in parts, see `browser`).

    Attributes:
        folder: the run folder.
        config: the frozen configuration, references to secrets unresolved; empty where it cannot be read.
        overrides: what the command line gave.
        provenance: `provenance.json`.
        result: `result.json`, a dead run's "running" told as "interrupted".
        train: the training logs, by rising step.
        evals: the held-out evaluations, by rising step.
        events: the events of the last attempt.
        findings: what the doctor found.
        failures: how many completions a reward failed on.
    """

    folder: RunFolder
    config: Record = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    provenance: Record = field(default_factory=dict)
    result: Record = field(default_factory=dict)
    train: list[Record] = field(default_factory=list)
    evals: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    findings: list[Record] = field(default_factory=list)
    failures: int = 0

    @property
    def name(self) -> str:
        """How the run is called among others: the last part of its folder's path."""
        return self.folder.root.resolve().name

    @property
    def status(self) -> str:
        """`completed`, `failed`, `interrupted`, `running`; `not started` without a result."""
        return str(self.result.get("status") or "not started")


def read_run(root: Path) -> Run:
    """Read one run folder.

    Args:
        root: the folder.

    Returns:
        What is there; whatever is missing or torn is left empty.
    """
    folder = RunFolder(root)
    records = list(read(folder.metrics))
    return Run(
        folder=folder,
        config=_yaml(folder.config, {}),
        overrides=[str(o) for o in _yaml(folder.overrides, [])],
        provenance=read_json(folder.provenance),
        result=read_result(folder),
        train=by_step(r for r in records if r.get("kind") == "train"),
        evals=by_step(r for r in records if r.get("kind") == "eval"),
        events=list(read(folder.events)),
        findings=list(read(root / "doctor.jsonl")),
        failures=sum(1 for _ in read(folder.reward_failures)),
    )


def by_step(records: Iterable[Record]) -> list[Record]:
    """Records by rising step, one a step: of a step logged twice (a run taken up again) the later one counts."""
    latest: dict[int, Record] = {}
    for record in records:
        step = number(record, "step")
        if step is not None and math.isfinite(step):
            # Several evaluations of one step may each hold some data sets of their own.
            earlier = latest.get(int(step), {}) if record.get("kind") == "eval" else {}
            latest[int(step)] = {**earlier, **record}
    return [latest[step] for step in sorted(latest)]


def series(records: Sequence[Record], key: str) -> list[tuple[int, float]]:
    """One metric over the steps: (step, value), NaN and infinities included, missing ones left out."""
    points = ((int(record["step"]), number(record, key)) for record in records)
    return [(step, value) for step, value in points if value is not None]


def names(records: Iterable[Record]) -> list[str]:
    """Every metric that occurs in records, in the order of first sight."""
    return list(dict.fromkeys(key for record in records for key in record))


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """The run folders that paths mean: a run folder itself, or every run in a folder of runs (a multirun's).

    Args:
        paths: what the user named.

    Returns:
        Run folders, in the order given, each once; inside a folder of runs by number or name.

    Raises:
        ConfigError: a path is neither.
    """
    found: dict[Path, None] = {}
    problems = []
    for path in paths:
        if not path.is_dir():
            what = "a file" if path.exists() else "not there"
            problems.append(f"{path} is {what}; name the folder of a run, as in outputs/<name>/<date and time>")
        elif is_run(path):
            found[path] = None
        else:
            inside = sorted((p for p in path.iterdir() if p.is_dir() and is_run(p)), key=_natural)
            if not inside:
                problems.append(
                    f"{path} holds no run (no config.yaml, metrics.jsonl or result.json), nor do the folders in it; "
                    "name the folder of a run, as in outputs/<name>/<date and time>"
                )
            found.update(dict.fromkeys(inside))
    if problems:
        raise ConfigError(*problems)
    return list(found)


def is_run(path: Path) -> bool:
    """Whether a folder is a run's."""
    folder = RunFolder(path)
    return any(p.is_file() for p in (folder.config, folder.metrics, folder.result))


def _natural(path: Path) -> tuple[int, int, str]:
    """Job 10 of a multirun comes after job 9."""
    return (0, int(path.name), "") if path.name.isdecimal() else (1, 0, path.name)


def _yaml(path: Path, empty: Any) -> Any:
    """A YAML file as plain containers, its references left as they are; `empty` where it cannot be read."""
    from omegaconf import OmegaConf

    try:
        value = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except Exception:  # missing, torn, or not ours: a report on the rest is worth having
        return empty
    return value if isinstance(value, type(empty)) else empty
