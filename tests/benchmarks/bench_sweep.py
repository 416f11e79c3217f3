"""What a multirun costs beyond training, and what slots gain: `python tests/benchmarks/bench_sweep.py`.

1. The start of a job, forked and started anew: wall time and processor time that each further job of one step takes.
2. A sweep of the embedded default on two slots against `hydra/launcher=basic`, both with one thread a process: wall
   time (bar: 1.6 times faster), the same objective and weights trial for trial.

    --jobs 12     trials of the second part
    --steps 100   training steps of each (the default's own)
    --repeats 3   of the first part

Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from real_runs import COMMAND, environment

BAR = 1.6
FEW, MANY = 1, 4
ONE_STEP = [
    "training.max_steps=1",
    "evaluation.held_out=false",
    "objective=train/reward",
    "launch.slots=1",
    "launch.threads=1",
]


def sweep(place: Path, name: str, jobs: int, *options: str) -> tuple[float, float, Path]:
    """Run a multirun of so many seeds; its wall time, the processor time of all of it (seconds), and its folder."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*COMMAND, "-m", f"seed=range({jobs})", f"hydra.sweep.dir={name}", "display=quiet", *options],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    taken = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return wall, taken, place / name


def results(folder: Path, jobs: int) -> list[dict]:
    """The `result.json` of each trial."""
    return [json.loads((folder / str(number) / "result.json").read_text()) for number in range(jobs)]


def starts(place: Path, repeats: int) -> None:
    """What a further job of one step takes, each way; the training in it is subtracted."""
    for warm in ("false", "true"):
        walls, processors, once = [], [], []
        for repeat in range(repeats):
            few = sweep(place, f"few-{warm}-{repeat}", FEW, *ONE_STEP, f"launch.warm={warm}")
            many = sweep(place, f"many-{warm}-{repeat}", MANY, *ONE_STEP, f"launch.warm={warm}")
            training = statistics.mean(r["timings"]["train_seconds"] for r in results(many[2], MANY)[FEW:])
            walls.append((many[0] - few[0]) / (MANY - FEW) - training)
            processors.append((many[1] - few[1]) / (MANY - FEW) - training)
            once.append(few[0] - walls[-1] - training)
        print(
            f"launch.warm={warm}: a job takes {statistics.median(walls):.2f} s beyond its training, "
            f"{statistics.median(processors):.2f} s of processor time; the rest {statistics.median(once):.2f} s",
            flush=True,
        )


def slots(place: Path, jobs: int, steps: int) -> bool:
    """Two slots against one job after another; whether the bar is met and all trials agree."""
    common = [f"training.max_steps={steps}", "launch.threads=1"]
    basic = sweep(place, "basic", jobs, *common, "hydra/launcher=basic")
    print(f"hydra/launcher=basic: {jobs} trials of {steps} steps in {basic[0]:.1f} s", flush=True)
    fast = True
    for warm in ("false", "true"):
        both = sweep(place, f"slots-{warm}", jobs, *common, "launch.slots=2", f"launch.warm={warm}")
        ratio = basic[0] / both[0]
        fast = ratio >= BAR
        print(f"launch.slots=2 launch.warm={warm}: {both[0]:.1f} s, {ratio:.2f}x (bar {BAR}x)", flush=True)
        for number, (one, other) in enumerate(zip(results(basic[2], jobs), results(both[2], jobs), strict=True)):
            weights = [folder / str(number) / "model" / "model.safetensors" for folder in (basic[2], both[2])]
            if one["objective"] != other["objective"] or weights[0].read_bytes() != weights[1].read_bytes():
                sys.exit(f"trial {number} differs: {one['objective']} and {other['objective']}")
    print(f"objectives and weights of all {jobs} trials are the same each way")
    return fast


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        starts(Path(place), options.repeats)
        return 0 if slots(Path(place), options.jobs, options.steps) else 1


if __name__ == "__main__":
    sys.exit(main())
