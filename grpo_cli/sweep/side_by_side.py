"""Jobs of a multirun side by side: one process each, one job a slot, all stopped together, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from grpo_cli.display.sweep import SweepDisplay, make_sweep_display
from grpo_cli.launch.environment import python_path
from grpo_cli.launch.identity import own_identity
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.signals import Interrupted, SignalWatch, exit_code_for
from grpo_cli.launch.slots import Slot
from grpo_cli.launch.worker_guard import COMPOSER
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import FAILED, INTERRUPTED, RUNNING, read_result
from grpo_cli.runs.sweep import Job, Sweep
from grpo_cli.sweep.batch import Batch
from grpo_cli.sweep.multirun import DONE, SweepFailed

TICK_SECONDS = 0.1
AT_ONCE_SECONDS = 15.0  # a job that is stopped at once takes this long at most


@dataclass
class Running:
    """A job that runs.

    Attributes:
        job: its record.
        slot: where.
        process: its grpo-train.
        log: what that prints.
        log_start: where its part of the log begins.
    """

    job: Job
    slot: Slot
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int


def run_side_by_side(sweep: Sweep, batch: Batch, display: str) -> None:
    """Run the jobs of a batch on its slots, recording each.

    The first SIGINT, SIGTERM or SIGHUP is passed on to every job, which saves a checkpoint and ends; the second one
    ends them all at once.

    Args:
        sweep: the record.
        batch: what to run, and where.
        display: the `display` key.

    Raises:
        Interrupted: after a signal, when all jobs have ended.
        SweepFailed: a job failed and `sweep.fail_fast` is set.
    """
    started = time.monotonic()
    assert batch.slots is not None
    waiting, free = list(batch.ready), list(batch.slots)
    running: list[Running] = []
    failed, passed_on, at_once = False, 0, None
    with ExitStack() as stack:
        stack.callback(kill, running)
        watch = stack.enter_context(SignalWatch())
        shown = stack.enter_context(make_sweep_display(display, sweep, len(batch.slots)))
        while running or (waiting and not watch.count and not failed):
            while waiting and free and not watch.count and not failed:
                running.append(begin(sweep, batch, sweep.jobs[waiting.pop(0)], free.pop(0)))
                shown.changed(running[-1].job)
            if passed_on < min(watch.count, 2):
                passed_on = min(watch.count, 2)
                pass_on(running, watch.first or "SIGTERM", shown, again=passed_on == 2)
                at_once = time.monotonic() + AT_ONCE_SECONDS if passed_on == 2 else None
            if at_once and time.monotonic() > at_once:
                kill(running)
            for ended in [r for r in running if r.process.poll() is not None]:
                running.remove(ended)
                free.insert(0, ended.slot)
                settle(sweep, ended, stopped=bool(watch.count) or failed)
                shown.changed(ended.job)
                if ended.job.status not in DONE and batch.fail_fast and not failed and not watch.count:
                    failed = True
                    pass_on(running, "SIGTERM", shown, again=False, why=f"job {ended.job.number} failed")
            with suppress(OSError):  # the terminal has gone: no reason to lose the jobs
                shown.tick()
            time.sleep(TICK_SECONDS)
    if watch.first is not None:
        code = exit_code_for(watch.first)
        raise Interrupted(code, Outcome(code, INTERRUPTED, watch.first, None, time.monotonic() - started))
    if failed:
        raise SweepFailed()


def begin(sweep: Sweep, batch: Batch, job: Job, slot: Slot) -> Running:
    """Start a job in a slot."""
    config = batch.config_of(job.number)
    log = config.with_suffix(".log")
    log_start = log.stat().st_size if log.exists() else 0
    env = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    env |= {COMPOSER: own_identity(), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    env["PYTHONPATH"] = python_path(env.get("PYTHONPATH", ""))
    if slot.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.token for gpu in slot.gpus)
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order in which they were counted
        job.gpus = env["CUDA_VISIBLE_DEVICES"]
    command = [sys.executable, "-m", "grpo_cli.sweep.job_process", str(config), str(job.folder), str(slot.cores)]
    job.status = RUNNING
    sweep.save()
    with log.open("ab") as out:
        # A session of its own: Ctrl-C in the terminal reaches it through this process only, once.
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    return Running(job, slot, process, log, log_start)


def settle(sweep: Sweep, ended: Running, stopped: bool) -> None:
    """Record how a job's process ended."""
    job, code = ended.job, ended.process.returncode
    result = read_result(RunFolder(Path(str(job.folder))))
    own = result.get("pid") == ended.process.pid  # else of an earlier start, or there is none
    if own and result.get("exit_code") is not None:
        job.take(result)
        sweep.objective = (result.get("objective") or {}).get("name") or sweep.objective
    elif stopped:
        job.status = INTERRUPTED
    else:
        said = [line for line in read_from(ended.log, ended.log_start) if line.startswith("grpo-train: ")]
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        job.status = FAILED
        job.error = said[-1].removeprefix("grpo-train: ") if said else f"Its process {how}; see {ended.log}."
    sweep.save()


def read_from(log: Path, start: int) -> list[str]:
    """The lines of a log from a byte on."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace").splitlines()


def pass_on(running: list[Running], name: str, shown: SweepDisplay, again: bool, why: str | None = None) -> None:
    """Send a stop signal to every job, and say so."""
    for each in running:
        with suppress(ProcessLookupError):
            each.process.send_signal(signal.SIGINT if name == "SIGINT" else signal.SIGTERM)
    text = "stopping all jobs at once" if again else "each job saves a checkpoint and ends; again to stop at once"
    with suppress(OSError):
        shown.note(f"{why or name}: {text}.")


def kill(running: list[Running]) -> None:
    """End every job by SIGKILL; the warden of each ends what it had started."""
    for each in running:
        with suppress(ProcessLookupError):
            each.process.kill()
    for each in running:
        with suppress(subprocess.TimeoutExpired):
            each.process.wait(AT_ONCE_SECONDS)
