"""Jobs that a launcher of the user's choice (joblib, submitit) runs in processes of its own, perhaps on other machines.

Such a process leaves a note of each job in the sweep's folder, `jobs/<number>.json`, and what it prints in
`jobs/<number>.log`. The sweep's own process reads the notes, keeps the record, shows what goes on, and passes a Ctrl-C
on. Where there is a file `jobs/stop`, no job starts.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from grpo_cli.errors import ConfigError, GrpoTrainError
from grpo_cli.launch.identity import is_running, own_identity
from grpo_cli.launch.signals import Interrupted, SignalWatch, Terminated, exit_code_for
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.objectives import objectives_in, objectives_of
from grpo_cli.runs.result import COMPLETED, FAILED, INTERRUPTED, PRUNED, RUNNING, read_json, read_result
from grpo_cli.runs.sweep import DRY_RUN, INVALID, RECORD, Job, Sweep

TICK_SECONDS, TICKS_PER_LOOK = 0.1, 5  # a signal that came from the terminal reaches the jobs as one with its echo
END_SECONDS = 5.0  # processes that got SIGKILL have gone by then
_busy = threading.Event()  # a job runs in this process
_tied: list[threading.Thread] = []  # what ends this process when the sweep's has gone
_GOOD = {COMPLETED, PRUNED, DRY_RUN}


def notes_of(sweep_folder: Path) -> Path:
    """Where the notes lie."""
    return sweep_folder / "jobs"


def run_elsewhere(cfg: DictConfig, overrides: list[str]) -> float | list[float]:
    """Run one job in a process of the launcher's; whatever becomes of it, the launcher goes on with the next.

    Args:
        cfg: its composed configuration.
        overrides: what it differs by.

    Returns:
        The job's objective, a list where there are several; NaN when it has none.
    """
    none = [math.nan] * len(objectives_of(cfg))
    hydra = HydraConfig.get()
    notes = notes_of(Path(hydra.sweep.dir).absolute())
    if (notes / "stop").exists():
        return none if len(none) > 1 else math.nan
    job = Job(int(hydra.job.num), overrides)
    file = notes / f"{job.number}.json"
    note = {"status": RUNNING, "overrides": overrides, "process": own_identity(), "host": socket.gethostname()}
    write_json(file, note)
    _busy.set()
    if not _tied and "slurm" not in str(hydra.launcher._target_).lower():
        _tied.append(threading.Thread(target=_end_with, args=(notes.parent,), daemon=True))
        _tied[0].start()
    try:
        with (notes / f"{job.number}.log").open("a") as log, redirect_stdout(log), redirect_stderr(log):
            _run(cfg, overrides, job, Path(hydra.runtime.output_dir).absolute(), notes)
    except (Interrupted, Terminated, KeyboardInterrupt):
        job.status = INTERRUPTED
    except GrpoTrainError as error:
        job.status, job.error = (INVALID if isinstance(error, ConfigError) else FAILED), str(error)
    except Exception as error:
        traceback.print_exc()
        job.status, job.error = FAILED, f"{type(error).__name__}: {error}"
    write_json(file, {**note, "status": job.status, "error": job.error, "earlier": job.earlier})
    _busy.clear()
    if job.status not in _GOOD and (cfg.sweep.fail_fast or job.status == INTERRUPTED):
        (notes / "stop").touch()
    values = job.objectives or none
    return values if len(values) > 1 else values[0]


def _end_with(sweep_folder: Path) -> None:
    """When the sweep's own process was killed outright, end this one too: the job that runs as SIGTERM ends it."""
    record = read_json(sweep_folder / RECORD)
    if record.get("host") != socket.gethostname():
        return
    while is_running(str(record["process"])):
        time.sleep(1.0)
    (notes_of(sweep_folder) / "stop").touch()
    if _busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
    while _busy.is_set():
        time.sleep(TICK_SECONDS)
    os._exit(exit_code_for("SIGTERM"))  # joblib's processes would wait for more jobs


def _run(cfg: DictConfig, overrides: list[str], job: Job, folder: Path, notes: Path) -> None:
    """Check a job; run it, unless it is refused or was completed by an earlier start of the sweep."""
    from grpo_cli.jobs.job import run_job
    from grpo_cli.sweep.batch import Batch

    Batch(None, notes).check(copy.deepcopy(cfg), overrides, job, folder)
    if job.status == INVALID or job.earlier:
        return
    cfg.display = "quiet"  # the sweep's own process shows all of them
    finished = run_job(cfg, overrides)
    if finished is None:
        job.status = DRY_RUN
    else:
        job.take(finished.result)


class Elsewhere:
    """What the sweep's own process does while a launcher runs the jobs.

    Args:
        sweep: the record.
        launcher: the launcher's name.
        display: the `display` key.
    """

    def __init__(self, sweep: Sweep, launcher: str, display: str) -> None:
        self.sweep = sweep
        self.launcher = launcher
        self._display = display
        self._watch = SignalWatch()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._shown: Any = None

    def begin(self) -> None:
        """Forget an earlier start's notes, take over Ctrl-C, follow the jobs."""
        from grpo_cli.display.sweep import make_sweep_display

        notes = notes_of(self.sweep.directory)
        for file in (*notes.glob("*.json"), notes / "stop"):
            file.unlink(missing_ok=True)
        notes.mkdir(parents=True, exist_ok=True)
        self._shown = make_sweep_display("quiet" if self._display == "quiet" else "plain", self.sweep, 0)
        self._watch.__enter__()
        self._thread.start()

    def end(self) -> int:
        """When the launcher has returned, or raised: record what the jobs came to.

        Returns:
            130 or 143 after a signal, else 0.
        """
        if self._over.is_set():
            return 0
        self._over.set()
        self._thread.join()
        self._watch.__exit__(None, None, None)
        self._look()
        return exit_code_for(self._watch.first) if self._watch.first else 0

    def _follow(self) -> None:
        """Keep the record, and pass signals on: a first one to every job, a second one kills all on this machine."""
        passed_on = 0
        for tick in itertools.count():
            if self._over.wait(TICK_SECONDS):
                return
            if tick % TICKS_PER_LOOK == 0:
                with contextlib.suppress(OSError):  # a full disk, a terminal that has gone: a later look may do better
                    self._look()
            if passed_on < min(self._watch.count, 2):
                passed_on = min(self._watch.count, 2)
                with contextlib.suppress(OSError):
                    (notes_of(self.sweep.directory) / "stop").touch()
                    print(f"grpo-train: {self._said(passed_on == 2)}", file=sys.stderr, flush=True)
                self._pass_on(at_once=passed_on == 2)

    def _look(self) -> None:
        """Take the notes over into the record, and show what is new."""
        for job in collect(self.sweep):
            self._shown.changed(job)

    def _said(self, at_once: bool) -> str:
        name = self._watch.first or "SIGTERM"
        if at_once:
            return f"{name}: stopping all jobs at once."
        if "slurm" in self.launcher.lower():
            ids = {file.name.partition("_")[0] for file in self.sweep.directory.glob(".submitit/*_*")}
            which = " ".join(sorted(ids)) or "<job id>"
            return (
                f"{name}: jobs that wait at Slurm will end at once when they start, and those that run go on; "
                f"scancel {which} ends them, again to leave without waiting."
            )
        return f"{name}: each job saves a checkpoint and ends; again to stop at once."

    def _pass_on(self, at_once: bool) -> None:
        """Signal the jobs of this machine; at once: kill every process that this one has started."""
        import psutil

        if at_once:
            children = psutil.Process().children(recursive=True)
            for child in children:
                with contextlib.suppress(psutil.Error):
                    child.kill()
            psutil.wait_procs(children, timeout=END_SECONDS)
            leave = exit_code_for(self._watch.first or "SIGTERM")
            from grpo_cli.sweep.closing import close_sweep

            with contextlib.suppress(OSError):
                self._look()
                close_sweep(leave)
                sys.stdout.flush()
            os._exit(leave)  # the launcher waits for processes that are no more
        for file in notes_of(self.sweep.directory).glob("*.json"):
            note = read_json(file)
            if note.get("status") == RUNNING and _runs_here(note):
                with contextlib.suppress(OSError):
                    os.kill(int(str(note["process"]).partition(":")[0]), signal.SIGTERM)


def collect(sweep: Sweep) -> list[Job]:
    """Take what the jobs' notes and folders say over into the record.

    Args:
        sweep: the record; written where there is something new.

    Returns:
        The jobs that are in another state than before.
    """
    changed = []
    for file in sorted(notes_of(sweep.directory).glob("*.json"), key=lambda f: int(f.stem)):
        note = read_json(file)
        if not note:
            continue
        job = sweep.job(int(file.stem), note["overrides"])
        before = job.status
        folder = RunFolder(sweep.directory / file.stem)
        job.folder = str(folder.root)
        job.status, job.error = str(note["status"]), note.get("error")
        job.earlier = bool(note.get("earlier"))
        if job.status == RUNNING and (note["host"] != socket.gethostname() or is_running(note["process"])):
            pass
        elif job.status == INVALID:
            job.folder = None
        elif result := read_result(folder):
            job.take(result)
            sweep.judge_by(objectives_in(result))
        elif job.status == RUNNING:
            job.status = INTERRUPTED  # killed before it had begun
        if job.status != before:
            changed.append(job)
    if changed:
        sweep.save()
    return changed


def _runs_here(note: dict[str, Any]) -> bool:
    return note["host"] == socket.gethostname() and is_running(note["process"])
