"""SIGKILL a sweep at random moments, start it again each time, and compare it with one that nobody disturbed.

    python tests/benchmarks/bench_sweep_resume.py [jobs] [kills] [seed]

Every job must be there once, none run to its end twice, with the weights, objective and completions of the undisturbed
sweep; after each kill no process may be left.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_runs import COMMAND, environment

STEPS = 20
QUIET_SECONDS = 10.0  # the wardens of a killed sweep have ended everything by then


def words(jobs: int, folder: str) -> list[str]:
    """A sweep of so many seeds of the embedded default, on two slots, one thread each."""
    return [
        *["-m", f"seed=range(1,{jobs + 1})", f"training.max_steps={STEPS}", "training.save_steps=5"],
        *["evaluation.limit=64", "launch.slots=2", "launch.threads=1", "display=plain", f"hydra.sweep.dir={folder}"],
    ]


def left(root: Path) -> list[str]:
    """Processes that have the folder on their command line or work in it, once they had time to end."""
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if str(root) in " ".join(process.cmdline()) or process.cwd() == str(root):
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:90]}")
            except psutil.Error:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def main() -> int:
    jobs, kills, seed = (int(a) for a in (*sys.argv[1:], "12", "5", "0")[:3])
    draw = random.Random(seed)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)

        def start(folder: str, log: Path) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*COMMAND, *words(jobs, folder)], cwd=root, env=environment(), stdout=log.open("ab"), stderr=-2
            )

        began = time.monotonic()
        code = start("straight", root / "straight.log").wait()
        whole = time.monotonic() - began
        print(f"undisturbed: {whole:.1f} s, exit code {code}", flush=True)
        log, code, starts = root / "killed.log", None, 0
        while code is None:
            process = start("killed", log)
            starts += 1
            if starts > kills:
                code = process.wait()
                break
            moment = draw.uniform(1.0, 2 * whole / (kills + 1))
            try:
                code = process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                found = left(root)
                problems += found
                print(f"SIGKILL after {moment:.1f} s, left: {found or 'nothing'}", flush=True)
        print(f"{starts} starts, exit code {code}")
        said = log.read_text()
        for number, job in enumerate(json.loads((root / "killed" / "sweep.json").read_text())["jobs"]):
            ours, theirs = root / "killed" / str(number), root / "straight" / str(number)
            if job["status"] != "completed":
                problems.append(f"job {number} is {job['status']}")
                continue
            if said.count(f"job {number}: completed") > 1:
                problems.append(f"job {number} was run to its end twice")
            for name in ("model/model.safetensors", "completions/train.jsonl", "completions/eval.jsonl"):
                if (ours / name).read_bytes() != (theirs / name).read_bytes():
                    problems.append(f"job {number}: another {name}")
            attempts = json.loads((ours / "result.json").read_text())["attempts"]
            print(f"job {number}: {job['objective']:.4f}, attempts {attempts}")
    print(*(problems or ["the same results, none run twice"]), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
