"""The job script: what a person would write for sbatch, and can read, change and submit again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

JOB_MODULE = "grpo_cli.jobs.slurm_job"

_BODY = r"""
folder={folder}

# Slurm sends this shell USR1 {notice} s before the time limit: the run is asked to save a checkpoint and to end.
# TERM (scancel, preemption) Slurm sends to the run as well, which does the same; here it must only not end the shell.
time_is_up=0
trap 'woken=1; time_is_up=1; echo SIGTERM > "$folder/logs/stop"' USR1
trap 'woken=1' TERM

# In a session of its own, since srun kills its tasks when a signal to this shell's group reaches it.
setsid srun {options} \
  {command} &
woken=1
while [ "$woken" = 1 ]; do
  woken=0
  wait "$!"
  code=$?
done
"""

_REQUEUE = r"""
# 143: the run was stopped and has saved a checkpoint. Back into the queue, and on from there.
if [ "$time_is_up" = 1 ] && [ "$code" = 143 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
"""


def job_script(
    launch: Mapping[str, Any], name: str, place: Path, *, array: str | None = None, working_directory: Path
) -> str:
    """Write the script of one job, or of a sweep's job array.

    Args:
        launch: the `launch` group.
        name: the run's name.
        place: the run folder; of an array the sweep's, each job's below it under its number.
        array: numbers of a sweep's jobs as sbatch takes them (`0-3`, `0,2%1`).
        working_directory: where the job starts, as if the command were typed there.

    Returns:
        A bash script.
    """
    asked = launch["slurm"]
    lines = [f"--{option}" for option in sbatch_options(asked, name, place, array, working_directory)]
    folder = shlex.quote(str(place)) + ("/$SLURM_ARRAY_TASK_ID" if array else "")
    srun = ["--nodes=" + str(asked["nodes"]), f"--ntasks={asked['nodes']}", "--ntasks-per-node=1"]
    srun += [f"--cpus-per-task={asked['cpus_per_task']}"] if asked["cpus_per_task"] else []
    srun += ["--kill-on-bad-exit=0"]  # the run's nodes end each other, with a reason
    setup = "".join(f"{line}\n" for line in asked["setup"])
    body = _BODY.format(
        notice=asked["notice_seconds"],
        options=" ".join(srun),
        command=f'{shlex.quote(sys.executable)} -m {JOB_MODULE} "$folder"',
        folder=folder,
    )
    return (
        "#!/bin/bash\n"
        f"# Written by grpo-train. To submit it again: sbatch {shlex.quote(str(place / 'slurm' / 'job.sh'))}\n"
        + "".join(f"#SBATCH {line}\n" for line in lines)
        + (f"\n{setup}" if setup else "")
        + body
        + (_REQUEUE if asked["requeue"] else "")
        + '\nexit "$code"\n'
    )


def sbatch_options(
    asked: Mapping[str, Any], name: str, place: Path, array: str | None, working_directory: Path
) -> list[str]:
    """The options of sbatch, without dashes."""
    log = str(place / "slurm").replace("%", "%%") + ("/%A_%a.log" if array else "/%j.log")
    gpus = int(asked["gpus_per_node"])
    options: dict[str, Any] = {
        "job-name": name,
        "array": array,
        "partition": asked["partition"],
        "account": asked["account"],
        "qos": asked["qos"],
        "constraint": asked["constraint"],
        "time": asked["time"],
        "nodes": asked["nodes"],
        "ntasks-per-node": 1,
        "gpus-per-node": f"{asked['gpu_type']}:{gpus}" if gpus and asked["gpu_type"] else gpus or None,
        "cpus-per-task": asked["cpus_per_task"],
        "mem": asked["mem"],
        "chdir": str(working_directory),
        "output": log,
        "open-mode": "append",
        "requeue" if asked["requeue"] else "no-requeue": True,
        "signal": f"B:USR1@{asked['notice_seconds']}",
    }
    options |= {str(key).replace("_", "-"): value for key, value in asked["extra"].items()}
    return [
        key if value is True else f"{key}={_quoted(str(value))}"
        for key, value in options.items()
        if value is not None and value is not False
    ]


def _quoted(value: str) -> str:
    """A value as sbatch reads it in a script's head: in quotes where it has blanks."""
    return f'"{value}"' if any(c.isspace() for c in value) else value


def array_numbers(numbers: list[int], parallelism: int | None) -> str:
    """A sweep's jobs as sbatch's --array takes them.

    Example:
        >>> array_numbers([0, 1, 2, 5], 2)
        '0-2,5%2'
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
    return f"{text}%{parallelism}" if parallelism else text
