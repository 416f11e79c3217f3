"""A run for Slurm where there is no Slurm (what is asked of it is checked with the launch, see rules/hardware.py)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from grpo_cli.preflight.finding import ERROR, Finding
from grpo_cli.preflight.situation import Situation


def sbatch(situation: Situation) -> Iterator[Finding]:
    """The commands that submit a job."""
    asked = situation.config["launch"].get("slurm") or {}
    if not asked.get("submit") or situation.config.get("dry_run"):
        return
    if shutil.which("sbatch", path=situation.env.get("PATH", os.defpath)) is None:
        yield Finding(
            "slurm.sbatch",
            ERROR,
            "launch.slurm.submit",
            "launch=slurm needs Slurm's command sbatch, which is not on the PATH",
            "A job is submitted from one of the cluster's own machines; dry_run=true writes the script down anywhere.",
            ("launch=auto",),
        )


RULES = (sbatch,)
