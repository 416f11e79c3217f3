"""Read a sweep's folder into memory, whatever state it is in: under way, killed, damaged, or finished."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.report.read import Record, Run, _natural, is_run, read_run
from grpo_cli.runs.metrics import number
from grpo_cli.runs.objectives import MAXIMIZE, MINIMIZE
from grpo_cli.runs.result import COMPLETED, INTERRUPTED, RUNNING, read_json
from grpo_cli.runs.sweep import NOT_STARTED, RECORD, runs_now


@dataclass
class Trial:
    """One job of a sweep with what its run folder holds.

    Attributes:
        number: its number in the sweep.
        overrides: all it was started with.
        status: as `runs.sweep.Job`, a dead job's "running" told as "interrupted".
        objectives: its value in each objective, where it has one.
        seconds: how long it took.
        run: its run folder, read; an empty one where there is none.
        error: why it did not complete.
    """

    number: int
    overrides: list[str]
    status: str
    objectives: list[float | None]
    seconds: float | None
    run: Run
    error: str | None = None

    @property
    def objective(self) -> float | None:
        """The first objective, where it is a finite number."""
        return self.objectives[0] if self.objectives else None

    @property
    def counts(self) -> bool:
        """Whether it is judged: it trained to its end and has a value."""
        return self.status == COMPLETED and self.objective is not None


@dataclass
class SweepRun:
    """What a sweep's folder holds.

    Attributes:
        folder: the folder.
        record: `sweep.json`; empty where it cannot be read.
        trials: its jobs by number.
        objectives: the names of what jobs are judged by, at least one.
        directions: "maximize" or "minimize" for each.
        alive: whether the sweep's process runs.
        notes: what of the folder could not be read, in words.
    """

    folder: Path
    record: Record
    trials: list[Trial]
    objectives: list[str]
    directions: list[str]
    alive: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def minimize(self) -> bool:
        """Whether less of the first objective is better."""
        return self.directions[0] == MINIMIZE

    @property
    def name(self) -> str:
        """How the sweep is called: the last part of its folder's path."""
        return self.folder.resolve().name

    def trial(self, number_: int) -> Trial | None:
        """The job of a number."""
        return next((t for t in self.trials if t.number == number_), None)


def is_sweep(path: Path) -> bool:
    """Whether a folder is a sweep's."""
    return (path / RECORD).is_file()


def read_sweep(folder: Path) -> SweepRun:
    """Read a sweep.

    Args:
        folder: holds `sweep.json`, and a run folder for each job, named by its number.

    Returns:
        What is there. Where `sweep.json` is torn or lacks a job, the run folders tell.
    """
    record = read_json(folder / RECORD)
    notes = [] if record else [f"{RECORD} could not be read: what is shown is from the jobs' folders alone."]
    alive = runs_now(record)
    jobs = record.get("jobs")
    known = {j["number"]: j for j in (jobs if isinstance(jobs, list) else []) if _is_job(j)}
    for path in sorted((p for p in folder.iterdir() if p.name.isdecimal() and is_run(p)), key=_natural):
        known.setdefault(int(path.name), {"number": int(path.name), "overrides": []})
    trials = [_trial(folder, known[n], alive) for n in sorted(known)]
    names, directions = _objectives(record, trials)
    for trial in trials:
        trial.objectives = [*trial.objectives, *[None] * len(names)][: len(names)]
    return SweepRun(folder, record, trials, names, directions, alive, notes)


def _is_job(job: object) -> bool:
    return isinstance(job, dict) and isinstance(job.get("number"), int)


def _trial(folder: Path, job: Mapping[str, Any], alive: bool) -> Trial:
    run = read_run(_run_folder(folder, job))
    status = str(job.get("status") or NOT_STARTED)
    # The run's own result is written before the sweep's record, and a killed sweep leaves its record behind.
    own = str(run.result.get("status") or "")
    if own and status in (NOT_STARTED, RUNNING, INTERRUPTED):
        status = own
    if status == RUNNING and not alive:
        status = INTERRUPTED
    overrides = job.get("overrides") or run.result.get("overrides") or run.overrides
    seconds = job.get("seconds")
    return Trial(
        number=int(job["number"]),
        overrides=[str(o) for o in overrides] if isinstance(overrides, list) else [],
        status=status,
        objectives=_values(job, run.result),
        seconds=number(job, "seconds") if seconds is not None else number(run.result, "seconds"),
        run=run,
        error=job.get("error") or run.result.get("error"),
    )


def _run_folder(folder: Path, job: Mapping[str, Any]) -> Path:
    """Where a job's run lies: beside the record, so that a sweep may be moved; else where the record says."""
    beside = folder / str(job["number"])
    recorded = job.get("folder")
    return Path(recorded) if isinstance(recorded, str) and not is_run(beside) else beside


def _values(job: Mapping[str, Any], result: Mapping[str, Any]) -> list[float | None]:
    """The value of each objective: the record's, else the run's own."""
    several = job.get("objectives")
    if not isinstance(several, list):
        own = result.get("objectives")
        several = [o.get("value") for o in own if isinstance(o, dict)] if isinstance(own, list) else None
    if not several:
        objective = result.get("objective")
        own_value = objective.get("value") if isinstance(objective, dict) else None
        several = [own_value if job.get("objective") is None else job["objective"]]
    return [_finite(value) for value in several]


def _finite(value: object) -> float | None:
    found = number({"value": value}, "value")
    return found if found is not None and math.isfinite(found) else None


def _objectives(record: Record, trials: Sequence[Trial]) -> tuple[list[str], list[str]]:
    """Names and directions, from the record or from what the runs say."""
    names, directions = record.get("objectives"), record.get("directions")
    if isinstance(names, list) and names and isinstance(directions, list) and len(names) == len(directions):
        return [str(n) for n in names], [str(d) for d in directions]
    name, direction = record.get("objective"), record.get("direction")
    if name in (None, "objective", "auto"):
        for trial in trials:
            own = trial.run.result.get("objective")
            if isinstance(own, dict) and own.get("name"):
                name, direction = own["name"], own.get("direction") or direction
                break
    return [str(name or "objective")], [MINIMIZE if direction == MINIMIZE else MAXIMIZE]
