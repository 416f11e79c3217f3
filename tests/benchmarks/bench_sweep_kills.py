"""Kills and signals to every process of a multirun at random moments: what is left running, what cannot be read.

    python tests/benchmarks/bench_sweep_kills.py [--rounds 20] [--seed 0] [--target grpo-template]

Each round starts a sweep of two jobs side by side, waits a random time, and sends SIGKILL, SIGTERM or SIGINT to one
of: the multirun, the template, a job, a warden, a worker. It then counts the processes left once the multirun has
ended, and reads every file of the sweep. At last the sweep is started once more, and has to complete every job.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from real_runs import COMMAND, SHORT, environment

SWEEP = ["-m", *SHORT, "training.max_steps=30", "training.save_steps=5", "launch.threads=1", "launch.slots=2"]
SWEEP += ["seed=1,2", "evaluation.baseline=false", "hydra.sweep.dir=sweep"]
TARGETS = ("multirun", "grpo-template", "grpo-job", "grpo-warden", "grpo-worker")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def marked(mark: str, name: str | None = None) -> list[psutil.Process]:
    """Every process that carries a sweep's mark in its environment; of this name only, where one is given."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BENCH_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found += [process] if name in (None, process.name()) else []
        except (psutil.Error, OSError):
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, help="hit this one only")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as place:
        for number in range(options.rounds):
            bad += not one_round(Path(place) / str(number), options.target or dice.choice(TARGETS), dice)
    print(f"{options.rounds - bad} of {options.rounds} rounds left nothing behind")
    sys.exit(bool(bad))


def one_round(folder: Path, target: str, dice: random.Random) -> bool:
    """Start, hit, look; True where all is as it should be."""
    folder.mkdir()
    mark = uuid.uuid4().hex
    log = (folder / "log").open("w")
    env = environment(BENCH_MARK=mark)
    multirun = subprocess.Popen([*COMMAND, *SWEEP], cwd=folder, env=env, stdout=log, stderr=log)
    sent = dice.choice(SIGNALS)
    deadline = time.monotonic() + 60
    victims: list[psutil.Process] = []
    while not victims and time.monotonic() < deadline and multirun.poll() is None:
        victims = [psutil.Process(multirun.pid)] if target == "multirun" else marked(mark, target)
        time.sleep(0.01)
    # The multirun and the template from their start on, which is mostly imports; the others while a job runs.
    delay = dice.uniform(0, 12 if target in ("multirun", "grpo-template") else 4)
    time.sleep(delay)
    victims = [p for p in victims if p.is_running()]
    hit = None
    if victims:
        hit = dice.choice(victims).pid
        os.kill(hit, sent)
    try:
        code: int | str = multirun.wait(120)
    except subprocess.TimeoutExpired:
        code = "HANGS"
    deadline = time.monotonic() + 5
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    problems = [f"left: {p.pid} {p.name()}" for p in left]
    for process in left:
        process.kill()
    for file in (folder / "sweep").rglob("*.json*") if (folder / "sweep").exists() else ():
        try:
            text = file.read_text()
            for part in text.splitlines() if file.suffix == ".jsonl" else [text]:
                json.loads(part)
        except ValueError as error:
            problems.append(f"{file.relative_to(folder)}: {error}")
    statuses = statuses_of(folder)
    again = subprocess.run([*COMMAND, *SWEEP], cwd=folder, env=environment(), capture_output=True, text=True)
    if again.returncode or statuses_of(folder) != ["completed"] * 2:
        problems.append(f"started again: {again.returncode} {again.stderr[-500:]}")
    what = f"{sent.name} to {target} after {delay:.1f} s" if hit else f"{target} had ended"
    print(f"{folder.name}: {what}: exit {code}, {statuses}", *problems, sep="\n   ", flush=True)
    return not problems and code != "HANGS"


def statuses_of(folder: Path) -> list[str]:
    record = folder / "sweep" / "sweep.json"
    return [job["status"] for job in json.loads(record.read_text())["jobs"]] if record.exists() else []


if __name__ == "__main__":
    main()
