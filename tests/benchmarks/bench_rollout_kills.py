"""Kill runs at random moments, and count what is left of them: processes, and segments in /dev/shm.

    python tests/benchmarks/bench_rollout_kills.py [kills] [first seed]     runs with a rollout server
    python tests/benchmarks/bench_rollout_kills.py --real [kills] [seed]    whole runs: torch, a pool of reward workers

Each kill draws, from its seed, who gets it (composer, server, a rank), which signal, when, and how server and worker
behave (ignoring SIGTERM, holding shared memory and a child, slow to start). Left behind may be nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "rollout"), str(TESTS / "training"), str(TESTS)]

from killing import Command, started_words  # noqa: E402
from serving import SIGNALS, kill_at_random  # noqa: E402

from grpo_cli.launch.shared_memory import SharedMemory  # noqa: E402
from grpo_cli.runs.jsonl import read  # noqa: E402


def kill_real(root: Path, seed: int, longest: float = 3.0) -> tuple[str, list[str]]:
    """Kill a whole run of the embedded default, two ranks now and then, with reward workers.

    Args:
        root: a folder for the run.
        seed: decides who is killed, by which signal and when.
        longest: most seconds after the start, or, two times in three, after training began: when rewards run.

    Returns:
        What was done, and what was found.
    """
    draw = random.Random(seed)
    name, target, processes = draw.choice(SIGNALS), draw.choice(("composer", "rank")), draw.choice((1, 2))
    moment, trains = draw.uniform(0.1, longest), draw.random() < 0.67
    root.mkdir(parents=True)
    memory, seen = SharedMemory(), 0
    run = Command(root, *started_words(processes), "guard.workers=2")
    try:
        began = run.began
        if trains:
            run.wait(lambda: any(e.get("name") == "training" for e in read(run.folder().events)), "training", pause=0.1)
            began = time.monotonic()
        while time.monotonic() - began < moment and run.process.poll() is None:
            memory.note(lambda: [process.pid for process in run.left()])
            seen = max(seen, len(run.left()))
            time.sleep(0.2)
        pid = run.process.pid if target == "composer" else run.rank(processes - 1, processes) or run.process.pid
        memory.note(lambda: [process.pid for process in run.left()], last=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, name))
        code = run.end(120)
        left = [f"{p.pid} {' '.join(p.cmdline())[:100]}" for p in run.left(seconds=5)]
        place = "training" if trains else "the start"
        told = f"seed {seed}: {name} to the {target} {moment:.1f} s into {place}, ranks {processes}, {seen} processes"
        return f"{told}: exit code {code}", left + memory.clear()
    finally:
        run.clean()


def main() -> int:
    arguments = [a for a in sys.argv[1:] if a != "--real"]
    kill = kill_real if "--real" in sys.argv else kill_at_random
    kills = int(arguments[0]) if arguments else 20
    first = int(arguments[1]) if len(arguments) > 1 else 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + kills):
            told, found = kill(Path(folder) / f"run{seed}", seed)
            failed += bool(found)
            print(told, "| left:", ", ".join(found) or "nothing", flush=True)
    print(f"{kills} kills, {failed} of them left something behind")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
