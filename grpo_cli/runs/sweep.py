"""The record of a multirun: every job it was asked for, whether or not it came to be started."""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from grpo_cli.launch.identity import is_running, own_identity
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.lock import is_silent
from grpo_cli.runs.objectives import MAXIMIZE, Objective, pair, values_in
from grpo_cli.runs.provenance import redact
from grpo_cli.runs.result import COMPLETED, FAILED, INTERRUPTED, PRUNED, RUNNING, read_json
from grpo_cli.runs.resume import LAUNCH_NOT_COMPARED, NOT_COMPARED

NOT_STARTED, INVALID, DRY_RUN, SUBMITTED = "not started", "invalid", "dry run", "submitted"
RECORD = "sweep.json"
# A job in one of these is run when its sweep is started again.
TO_DO = {NOT_STARTED, RUNNING, INTERRUPTED, FAILED}
# Of `sweep`: what makes it another sweep; the rest may change between two starts.
SWEEP_COMPARED = {"sweep"} | {
    f"sweep.{key}" for key in ("sampler", "sampler_options", "seed", "space", "pruner", "pruner_options", "prune_on")
}


@dataclass
class Job:
    """One job of a multirun.

    Attributes:
        number: its number, from 0.
        overrides: what it differs by.
        status: "not started", "running", "completed", "pruned" (ended early because others do better), "failed",
            "interrupted", or "invalid" (its configuration was refused).
        objective: the value it is judged by, when it has one; of several the first.
        objectives: the value of every objective, in order; NaN for one that was not measured.
        seconds: how long it took.
        folder: its run folder.
        error: why it did not complete.
        earlier: it completed (or was pruned) in an earlier start of the sweep, and is not run again.
        gpus: the GPUs of its slot, as CUDA_VISIBLE_DEVICES names them.
        gpu_seconds: its slot's GPUs times how long it had them, over all starts.
    """

    number: int
    overrides: list[str]
    status: str = NOT_STARTED
    objective: float | None = None
    objectives: list[float] | None = None
    seconds: float | None = None
    folder: str | None = None
    error: str | None = None
    earlier: bool = False
    gpus: str | None = None
    gpu_seconds: float = 0.0

    def take(self, result: Mapping[str, Any]) -> None:
        """Take over what `result.json` says of it."""
        values = values_in(result)
        measured = any(value is not None for value in values)
        self.objectives = [math.nan if value is None else value for value in values] if measured else None
        self.objective = values[0] if values else None
        self.status = str(result.get("status", FAILED))
        self.seconds, self.error = result.get("seconds"), result.get("error")


class Sweep:
    """All jobs of one multirun, kept in `sweep.json` of its folder as they go.

    Args:
        directory: the sweep's folder; what an earlier start recorded there of the same jobs is kept.
        jobs: the overrides of each job, in order; None where a sampler thinks them up.
        asked: the overrides of the command line, a key's several values in one.

    Attributes:
        objectives: what its jobs are judged by.
        ended: why no further job is started, where that is not for a signal: its budget is spent.
        trials: where a sampler thinks the jobs up, how many there are to be over all starts.
        points: of its grid, where it is one.
    """

    def __init__(self, directory: Path, jobs: list[list[str]] | None, asked: Sequence[str] = ()) -> None:
        self.directory = directory
        earlier = read_json(directory / RECORD)
        self.jobs = _gone_on_with(jobs, earlier)
        self.ended: str | None = None
        self.trials: int | None = None
        self.points: int | None = None
        self.objectives = judged_by(earlier)
        self.asked = [redact(override) for override in asked]
        self.process = own_identity()
        self.save()

    def job(self, number: int, overrides: list[str]) -> Job:
        """The job of a number; a sweeper that thinks up its jobs as it goes adds them here."""
        while number >= len(self.jobs):
            self.jobs.append(Job(len(self.jobs), list(overrides)))
        return self.jobs[number]

    @property
    def objective(self) -> str:
        """The metric its jobs are compared by; of several the first."""
        return self.objectives[0].name

    def judge_by(self, objectives: Sequence[Objective]) -> None:
        """Take over what its jobs are judged by, as far as that is known."""
        if not objectives:
            return
        known = [o.name for o in self.objectives] + ["objective"] * len(objectives)
        # What `auto` stands for is known once a job was checked.
        self.objectives = [
            o._replace(name=before) if o.name == "auto" else o for o, before in zip(objectives, known, strict=False)
        ]

    def returned(self, job: Job) -> float | list[float]:
        """What Hydra's sweeper is told of a job: its objective, a list where there are several; NaN for none."""
        values = job.objectives or [math.nan] * len(self.objectives)
        return values if len(self.objectives) > 1 else values[0]

    @property
    def total(self) -> int:
        """How many jobs there are, those that a sampler has yet to think up included."""
        if self.trials is None:
            return len(self.jobs)
        wanted = min(self.trials, math.inf if self.points is None else self.points)
        return max(len(self.jobs), int(wanted) if math.isfinite(wanted) else 0)

    def save(self) -> None:
        """Write `sweep.json` atomically."""
        names, directions = [o.name for o in self.objectives], [o.direction for o in self.objectives]
        several = {"objectives": names, "directions": directions} if len(names) > 1 else {}
        write_json(
            self.directory / RECORD,
            {
                "objective": self.objective,
                "direction": directions[0],
                **several,
                "ended": self.ended,
                **({"trials": self.trials, "points": self.points} if self.trials is not None else {}),
                "overrides": self.asked,
                "command": [redact(argument) for argument in sys.argv[1:]],
                "working_directory": str(Path.cwd()),
                "process": self.process,
                "host": socket.gethostname(),
                "jobs": [asdict(j) for j in self.jobs],
            },
        )

    def rows(self) -> list[dict[str, Any]]:
        """The jobs as plain dicts for the table."""
        return rows([asdict(job) for job in self.jobs], fixed=None if self.trials is None else self.asked)


def _gone_on_with(jobs: list[list[str]] | None, earlier: Mapping[str, Any]) -> list[Job]:
    """The jobs of a start, with what an earlier one has recorded of the same ones."""
    names = {field.name for field in fields(Job)}
    before = [Job(**{key: value for key, value in job.items() if key in names}) for job in jobs_in(earlier)]
    for job in before:  # JSON has no NaN: it is written as text
        job.objective = None if job.objective is None else float(job.objective)
        job.objectives = [float(value) for value in job.objectives] if job.objectives else None
    if jobs is None:
        for job in before:
            job.earlier = job.status in (COMPLETED, PRUNED)
            job.status = INTERRUPTED if job.status == RUNNING else job.status  # that start was killed
        return before
    listed = [Job(number, list(overrides)) for number, overrides in enumerate(jobs)]
    for job, same in zip(listed, before, strict=False):
        if job.overrides == same.overrides:
            job.gpu_seconds = same.gpu_seconds
    return listed


def rows(jobs: Sequence[Mapping[str, Any]], fixed: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Jobs as a table shows them: of the overrides those that differ, folders from the working directory on.

    Args:
        jobs: their records.
        fixed: the overrides that all have, where that is known beforehand; else those that these ones share.
    """
    common = set.intersection(*(set(job["overrides"]) for job in jobs)) if len(jobs) > 1 else set()
    common = common if fixed is None else set(fixed)
    return [
        {
            **job,
            "overrides": [o for o in job["overrides"] if o not in common],
            "folder": job["folder"] and os.path.relpath(job["folder"]),
        }
        for job in jobs
    ]


def judged_by(record: Mapping[str, Any]) -> list[Objective]:
    """The objectives that a sweep's record names, in order."""
    names = record.get("objectives") or [record.get("objective") or "objective"]
    return pair([str(n) for n in names], record.get("directions") or [str(record.get("direction") or MAXIMIZE)])


def jobs_in(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The jobs of a record; none where it was damaged: each job's own folder then tells what became of it."""
    jobs = record.get("jobs")
    if not isinstance(jobs, list):
        return []
    whole = all(isinstance(j, dict) and isinstance(j.get("overrides"), list) and "number" in j for j in jobs)
    return jobs if whole else []


def runs_now(record: Mapping[str, Any], directory: Path | None = None) -> bool:
    """Whether the process that a sweep's record names is running.

    Args:
        record: what `sweep.json` holds.
        directory: the sweep's folder, where a process of another host is heard of; without it that one is taken to run.
    """
    if not record.get("process"):
        return False
    if record.get("host") != socket.gethostname():
        return directory is None or not is_silent(RunFolder(directory))
    return is_running(str(record["process"]))


def find_unfinished(siblings: Path, asked: Sequence[str], trials: float | None = None) -> Path | None:
    """The newest sweep of the same overrides that has jobs left to run; None where the newest such one has none.

    Args:
        siblings: the folder that holds the sweeps of this name.
        asked: the overrides of the command line.
        trials: where a sampler thinks the jobs up, how many there are to be (a grid may have fewer points).
    """
    for file in sorted(siblings.glob(f"*/{RECORD}"), reverse=True):
        record = read_json(file)
        if "overrides" not in record or _compared(record["overrides"]) != _compared(asked):
            continue
        if runs_now(record, file.parent):
            continue
        statuses = {job.get("status") for job in jobs_in(record)}
        if statuses & {DRY_RUN, SUBMITTED}:
            continue
        if trials is not None:
            ended = sum(job.get("status") in (COMPLETED, PRUNED, FAILED, INVALID) for job in record.get("jobs", []))
            return file.parent if ended < min(trials, record.get("points") or trials) else None
        return file.parent if statuses & TO_DO else None
    return None


def _compared(overrides: Sequence[str]) -> list[str]:
    """The overrides that decide what is computed, not how it is watched or on what part of the machine it runs."""
    not_compared = {*NOT_COMPARED, *(f"launch.{key}" for key in LAUNCH_NOT_COMPARED)}

    def matters(override: str) -> bool:
        key = override.partition("=")[0].lstrip("+~")
        if key.split(".")[0] == "sweep":
            return ".".join(key.split(".")[:2]) in SWEEP_COMPARED
        return key.split(".")[0] not in not_compared and ".".join(key.split(".")[:2]) not in not_compared

    return sorted(redact(override) for override in overrides if matters(override))
