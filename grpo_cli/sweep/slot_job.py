"""A job of a multirun in its slot: started as a process of its own, asked to end, and what became of it recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from grpo_cli.launch.process import Process
from grpo_cli.launch.slots import Slot
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import FAILED, INTERRUPTED, PRUNED, read_result, update_result
from grpo_cli.runs.sweep import Job
from grpo_cli.sweep.starter import JobStarter, job_environment
from grpo_cli.sweep.warm import WarmJob

END_SECONDS = 15.0  # a process that got SIGKILL has gone by then


@dataclass
class SlotJob:
    """A job that runs.

    Attributes:
        job: its record.
        slot: where.
        process: its grpo-train.
        log: what that prints.
        log_start: where its part of the log begins.
        pruned: why it was ended before its time; None where it was not.
        charged: until when its GPU time is in the record, of `time.monotonic`.
    """

    job: Job
    slot: Slot
    process: Process
    log: Path
    log_start: int
    pruned: str | None = None
    charged: float = field(default_factory=time.monotonic)

    def send(self, name: str) -> None:
        """Send it a stop signal: SIGINT, or else SIGTERM."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT if name == "SIGINT" else signal.SIGTERM)

    def charge(self) -> None:
        """Add the GPU time since the last call to the job's record."""
        now = time.monotonic()
        self.job.gpu_seconds += (now - self.charged) * len(self.slot.gpus)
        self.charged = now

    def settle(self, stopped: bool) -> None:
        """Record how its process ended.

        Args:
            stopped: whether the multirun was being stopped.
        """
        self.charge()
        job, code = self.job, self.process.returncode
        assert code is not None
        folder = RunFolder(Path(str(job.folder)))
        result = read_result(folder)
        own = result.get("pid") == self.process.pid  # else of an earlier start, or there is none
        if own and result.get("exit_code") is not None:
            if self.pruned and result["status"] == INTERRUPTED:
                result = update_result(folder, status=PRUNED, stopped=self.pruned)
            job.take(result)
        elif stopped or self.pruned:
            job.status, job.error = (PRUNED if self.pruned else INTERRUPTED), None
        else:
            job.status, job.error = FAILED, self._why(code)

    def _why(self, code: int) -> str:
        """What a process without a result said, or how it ended."""
        if isinstance(self.process, WarmJob) and self.process.why:
            return self.process.why
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            lines = file.read().decode(errors="replace").splitlines()
        said = [line for line in lines if line.startswith("grpo-train: ")]
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return said[-1].removeprefix("grpo-train: ") if said else f"Its process {how}; see {self.log}."


def start(job: Job, slot: Slot, config: Path, starter: JobStarter) -> SlotJob:
    """Start a job in a slot.

    Args:
        job: its record; gets the GPUs.
        slot: where.
        config: its frozen configuration; the log is written beside it.
        starter: what starts it.
    """
    log = config.with_suffix(".log")
    log_start = log.stat().st_size if log.exists() else 0
    env = job_environment(slot, os.environ)
    if slot.gpus and not slot.whole:
        job.gpus = env["CUDA_VISIBLE_DEVICES"]
    process = starter.start([str(config), str(job.folder), str(slot.cores)], env, log)
    return SlotJob(job, slot, process, log, log_start)


def kill(running: Sequence[SlotJob]) -> None:
    """End jobs by SIGKILL; the warden of each ends what it had started."""
    for each in running:
        with suppress(ProcessLookupError):
            each.process.kill()
    for each in running:
        with suppress(subprocess.TimeoutExpired):
            each.process.wait(END_SECONDS)
