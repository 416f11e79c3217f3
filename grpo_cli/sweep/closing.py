"""The end of a multirun: its table, why jobs did not complete, its page, and an exit code that counts all jobs."""

from __future__ import annotations

import os
import sys

from grpo_cli.display.jobs import print_jobs_table
from grpo_cli.report.sweep.write import write_sweep_report
from grpo_cli.sweep.multirun import current_sweep, sweep_exit_code


def close_sweep(code: int) -> int:
    """Tell what became of the jobs of this process's multirun.

    Args:
        code: the exit code of how it ended; 0 when by itself.

    Returns:
        The exit code, jobs counted.
    """
    sweep = current_sweep()
    if sweep is None:
        return code
    print()
    print_jobs_table(sweep.rows(), sweep.objectives)
    for job in sweep.jobs:
        if job.error:
            print(f"job {job.number}: {job.error.splitlines()[0]}", file=sys.stderr)
    if sweep.ended:
        print(f"grpo-train: {sweep.ended}; with more of it the same command goes on.", file=sys.stderr)
    if page := write_sweep_report(sweep.directory):
        print(f"leaderboard: {os.path.relpath(page)}")
    return code or sweep_exit_code(sweep)
