"""Slurm's own commands: submitting a job, asking how it goes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from grpo_cli.errors import RunError

SECONDS = 60.0
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
}


def submit(script: Path) -> str:
    """Submit a job script.

    Returns:
        The job's number.

    Raises:
        RunError: sbatch refused it.
    """
    said = _slurm("sbatch", "--parsable", str(script))
    return said.strip().splitlines()[-1].split(";")[0]


def states(job: str) -> list[str]:
    """The state of a job, or of each job of an array; empty once Slurm has forgotten it."""
    try:
        shown = _slurm("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%T")
    except RunError as error:
        if "Invalid job id" in str(error):
            return []
        raise
    return shown.split()


def running(job: str) -> bool:
    """Whether any part of a job still waits or runs."""
    return any(state not in ENDED for state in states(job))


def exit_code(job: str) -> int | None:
    """What a job that has ended exited with, where Slurm still knows."""
    try:
        shown = _slurm("scontrol", "--oneliner", "show", "job", job)
    except RunError:
        return None
    found = re.search(r"\bExitCode=(\d+):(\d+)", shown)
    return (int(found[1]) or (128 + int(found[2]) if int(found[2]) else 0)) if found else None


def _slurm(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()
        raise RunError(f"{argv[0]} failed: {said[-1] if said else f'exit code {error.returncode}'}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"{argv[0]} cannot be run: {error}") from None
    return done.stdout
