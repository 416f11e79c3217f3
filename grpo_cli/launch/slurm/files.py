"""What a submission leaves in a run folder: `slurm/` with the job script, the frozen configuration and Slurm's log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SlurmFiles:
    """Paths of a submission below a run folder, or a sweep's folder."""

    root: Path

    @property
    def place(self) -> Path:
        """The folder of them all."""
        return self.root / "slurm"

    @property
    def script(self) -> Path:
        """The job script."""
        return self.place / "job.sh"

    @property
    def config(self) -> Path:
        """The configuration as it was checked; what the job runs."""
        return self.place / "config.yaml"

    @property
    def overrides(self) -> Path:
        """The overrides of the command line, as given."""
        return self.place / "overrides.yaml"

    @property
    def job(self) -> Path:
        """The job's number, once it has been submitted."""
        return self.place / "job.json"

    def log(self, job: str) -> Path:
        """What the job prints; of an array `job` is `<number>_<task>`."""
        return self.place / f"{job}.log"
