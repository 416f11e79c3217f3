"""`grpo-sweep`: look at a multirun by its folder, stop it, start it again; no torch is imported."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpo_cli.commands._console import run_command
from grpo_cli.errors import EXIT_DONE, ConfigError, RunError

_HELP = """\
grpo-sweep: a multirun (grpo-train -m …) by its folder, from any terminal.

Usage: grpo-sweep status|resume|cancel FOLDER

  grpo-sweep status outputs/grpo/<date and time>   the table of its jobs as they are now
  grpo-sweep cancel outputs/grpo/<date and time>   stop it: each job saves a checkpoint and ends; --now ends it at once
  grpo-sweep resume outputs/grpo/<date and time>   run its command line again: only what is left is run

Exit codes: 0 done, 1 the sweep could not be stopped, 2 wrong arguments; resume: grpo-train's own.
"""
CANCEL_SECONDS = 600.0


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 the sweep could not be stopped, 2 wrong arguments; of `resume` grpo-train's own.
    """
    return run_command("grpo-sweep", _HELP, _run, needs_arguments=True)


def _run(argv: list[str]) -> int:
    from grpo_cli.config.suggest import did_you_mean

    commands = ["status", "resume", "cancel"]
    words = [a for a in argv if a != "--now"]
    if words[:1] and words[0] not in commands:
        hint = did_you_mean(words[0], commands) or "."
        raise ConfigError(f"There is no command {words[0]}{hint} Write grpo-sweep status, resume or cancel.")
    if len(words) != 2 or ("--now" in argv and words[0] != "cancel"):
        raise ConfigError("Write grpo-sweep status, resume or cancel, and one sweep's folder (cancel takes --now).")
    folder = Path(words[1]).absolute()
    record = read_record(folder)
    if words[0] == "status":
        return status(folder, record)
    if words[0] == "resume":
        return resume(folder, record)
    return cancel(folder, record, at_once="--now" in argv)


def read_record(folder: Path) -> dict[str, Any]:
    """Read a sweep's `sweep.json`.

    Raises:
        ConfigError: there is none.
    """
    from grpo_cli.runs.result import read_json
    from grpo_cli.runs.sweep import RECORD, jobs_in

    record = read_json(folder / RECORD)
    if not jobs_in(record):
        raise ConfigError(f"There is no sweep in {folder} (a sweep's folder holds {RECORD}).")
    return record


def status(folder: Path, record: Mapping[str, Any]) -> int:
    """Print the table of a sweep's jobs, the running ones as their files tell of them."""
    from grpo_cli.display.follow import Follower
    from grpo_cli.display.jobs import table_console, tally
    from grpo_cli.display.sweep_table import sweep_table
    from grpo_cli.runs.folder import RunFolder
    from grpo_cli.runs.result import INTERRUPTED, RUNNING
    from grpo_cli.runs.sweep import judged_by, rows, runs_now

    alive = runs_now(record, folder)
    states = {}
    fixed = record.get("overrides") if record.get("trials") is not None else None
    shown = rows(record["jobs"], fixed)
    for row, job in zip(shown, record["jobs"], strict=True):
        if row["status"] != RUNNING:
            continue
        if not alive:
            row["status"] = INTERRUPTED  # its sweep was killed
        elif job["folder"]:
            follower = Follower(RunFolder(Path(job["folder"])))
            follower.poll()
            states[row["number"]] = follower.state
    console = table_console()
    objectives = judged_by(record)
    console.print(sweep_table(shown, states, objectives, console))
    state = f"runs as process {_pid(record)}" if alive else "does not run"
    console.print(f"{tally(shown, objectives)}; the sweep {state}")
    return EXIT_DONE


def cancel(folder: Path, record: Mapping[str, Any], at_once: bool) -> int:
    """Stop a running sweep, and wait until it has ended.

    Raises:
        ConfigError: it does not run, or runs on another machine.
        RunError: it does not end.
    """
    import socket

    from grpo_cli.launch.identity import is_running
    from grpo_cli.runs.sweep import runs_now

    if not runs_now(record, folder):
        raise ConfigError(f"The sweep in {folder} does not run, so there is nothing to cancel.")
    if record.get("host") != socket.gethostname():
        raise ConfigError(f"The sweep in {folder} runs on {record.get('host')}; cancel it there.")
    process = str(record["process"])
    for attempt in range(2 if at_once else 1):
        if attempt:
            time.sleep(0.5)  # closer together, two signals are taken for one
        if is_running(process):
            os.kill(_pid(record), signal.SIGTERM)
    print(f"Stopping the sweep in {folder} (process {_pid(record)})", flush=True)
    deadline = time.monotonic() + CANCEL_SECONDS
    while is_running(process):
        if time.monotonic() > deadline:
            raise RunError(f"The sweep has not ended within {CANCEL_SECONDS:.0f} s; grpo-sweep cancel --now ends it")
        time.sleep(0.1)
    return status(folder, read_record(folder))


def resume(folder: Path, record: Mapping[str, Any]) -> int:
    """Become the sweep's recorded command line, in its working directory and its folder.

    Raises:
        ConfigError: it runs, or its command line cannot be repeated.
    """
    from grpo_cli.runs.sweep import runs_now

    if runs_now(record, folder):
        raise ConfigError(f"The sweep in {folder} is running (process {_pid(record)}); grpo-sweep status shows it.")
    arguments = [str(a) for a in record.get("command") or []]
    if not arguments:
        raise ConfigError(f"The sweep in {folder} has recorded no command line; start its command again.")
    if hidden := [a for a in arguments if a.endswith("=<redacted>")]:
        raise ConfigError(
            f"{hidden[0].partition('=')[0]} was given on the command line and is not recorded, since it is a secret; "
            "start the command again yourself: it finds the sweep."
        )
    place = Path(str(record["working_directory"]))
    if not place.is_dir():
        raise ConfigError(f"The sweep was started in {place}, which does not exist any more.")
    arguments = [a for a in arguments if not a.startswith("hydra.sweep.dir=")]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    arguments.append(f"hydra.sweep.dir='{quoted}'")
    os.chdir(place)
    os.execv(sys.executable, [sys.executable, "-m", "grpo_cli.commands.train", *arguments])


def _pid(record: Mapping[str, Any]) -> int:
    return int(str(record["process"]).partition(":")[0])


if __name__ == "__main__":
    sys.exit(main())
