"""`result.json`: what became of a run. The composer and rank 0 each merge their part into it."""

from __future__ import annotations

import json
import os
import socket
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.lock import is_silent

RUNNING, COMPLETED, FAILED, INTERRUPTED = "running", "completed", "failed", "interrupted"
PRUNED = "pruned"  # ended by its sweep, since others were doing better


def now() -> str:
    """The time in UTC, ISO 8601, whole seconds."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing or unreadable file gives an empty one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def read_result(folder: RunFolder) -> dict[str, Any]:
    """Return the run's result so far; empty when there is none.

    A result that says "running" although its process is gone (it was killed outright) is returned as
    "interrupted", which is what it is. A process of another host is gone when it has long been silent (`lock.py`).
    """
    result = read_json(folder.result)
    if result.get("status") == RUNNING and not _alive(folder, result):
        result["status"] = INTERRUPTED
    return result


def update_result(folder: RunFolder, **fields: Any) -> dict[str, Any]:
    """Merge fields into `result.json` atomically and return the whole.

    Only one process writes at any time: the composer before the worker starts and after it ended, rank 0
    in between.
    """
    result = {**read_json(folder.result), **fields}
    write_json(folder.result, result)
    return result


def start_result(folder: RunFolder, *, fingerprint: str, overrides: list[str]) -> None:
    """Mark a run as started (or started again, keeping when it first started)."""
    earlier = read_json(folder.result)
    update_result(
        folder,
        status=RUNNING,
        pid=os.getpid(),
        process_started=_process_started(os.getpid()),
        host=socket.gethostname(),
        started=earlier.get("started") or now(),
        attempts=int(earlier.get("attempts") or 0) + 1,
        finished=None,
        exit_code=None,
        error=None,
        stopped=None,
        config_fingerprint=fingerprint,
        overrides=overrides,
        **slurm_job(),
    )


def slurm_job() -> dict[str, str | None]:
    """The Slurm job this process belongs to, and how often it was put back into the queue; empty outside Slurm."""
    if "SLURM_JOB_ID" not in os.environ:
        return {}
    return {"slurm_job": os.environ["SLURM_JOB_ID"], "slurm_restart": os.environ.get("SLURM_RESTART_COUNT")}


def _process_started(pid: int) -> float | None:
    """When a process started, epoch seconds: tells a live process from a later one with its number."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _alive(folder: RunFolder, result: dict[str, Any]) -> bool:
    """Whether the process a result names still runs."""
    job = os.environ.get("SLURM_JOB_ID")
    if job and job == result.get("slurm_job") and result.get("slurm_restart") != os.environ.get("SLURM_RESTART_COUNT"):
        return False  # this job's own earlier attempt, on whatever node it was
    if result.get("host") != socket.gethostname():
        return not is_silent(folder)
    started = _process_started(int(result.get("pid") or 0))
    return started is not None and started == result.get("process_started")
