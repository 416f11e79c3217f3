"""The record of a multirun: every job it was asked for, whether or not it came to be started."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grpo_cli.runs.jsonl import write_json

NOT_STARTED = "not started"


@dataclass
class Job:
    """One job of a multirun.

    Attributes:
        number: its number, from 0.
        overrides: what it differs by.
        status: "not started", "running", "completed", "failed", "interrupted", or "invalid" (its
            configuration was refused).
        objective: the value it is judged by, when it has one.
        seconds: how long it took.
        folder: its run folder.
        error: why it did not complete.
    """

    number: int
    overrides: list[str]
    status: str = NOT_STARTED
    objective: float | None = None
    seconds: float | None = None
    folder: str | None = None
    error: str | None = None


class Sweep:
    """All jobs of one multirun, kept in `sweep.json` of its folder as they go.

    Args:
        directory: the sweep's folder.
        jobs: the overrides of each job, in order.
    """

    def __init__(self, directory: Path, jobs: list[list[str]]) -> None:
        self.directory = directory
        self.jobs = [Job(number, list(overrides)) for number, overrides in enumerate(jobs)]
        self.objective = "objective"
        self.direction = "maximize"
        self.save()

    def job(self, number: int, overrides: list[str]) -> Job:
        """The job of a number; a sweeper that thinks up its jobs as it goes adds them here."""
        while number >= len(self.jobs):
            self.jobs.append(Job(len(self.jobs), list(overrides)))
        return self.jobs[number]

    def save(self) -> None:
        """Write `sweep.json` atomically."""
        write_json(
            self.directory / "sweep.json",
            {"objective": self.objective, "direction": self.direction, "jobs": [asdict(j) for j in self.jobs]},
        )

    def rows(self) -> list[dict[str, Any]]:
        """The jobs as plain dicts for the table: of the overrides those that differ, folders from the sweep's on."""
        common = set.intersection(*(set(job.overrides) for job in self.jobs)) if len(self.jobs) > 1 else set()
        return [
            asdict(job)
            | {
                "overrides": [o for o in job.overrides if o not in common],
                "folder": job.folder and os.path.relpath(job.folder),
            }
            for job in self.jobs
        ]

    @property
    def unfinished(self) -> bool:
        """Whether any job did not complete."""
        return any(job.status != "completed" for job in self.jobs)
