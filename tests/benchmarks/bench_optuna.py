"""Optuna on the embedded default: `python -m benchmarks.bench_optuna [search] [pruning]` from the folder `tests`.

search: the best held-out accuracy after so many trials, TPE against random search, same budget, several seeds; the two
begin with the same random trials. pruning: the completions that no pruner, median, ASHA and Hyperband generate for the
same trials, and the best each finds. Learning rate and warm-up span what learns nothing, what learns, what collapses.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from real_runs import COMMAND, environment

SPACE = ["training.learning_rate=tag(log,interval(1e-6,1e-2))", "training.warmup_steps=int(interval(0,10))"]


def sweep(place: Path, args: argparse.Namespace, *settings: str) -> tuple[list[dict], float]:
    """Run one sweep; gives its jobs and how long it took, seconds."""
    command = [
        *[*COMMAND, "-m", "sweep=optuna", *SPACE, f"hydra.sweep.dir={place}", f"sweep.n_trials={args.trials}"],
        *[f"training.max_steps={args.steps}", f"evaluation.limit={args.rows}", "evaluation.baseline=false"],
        *[f"launch.slots={args.slots}", "launch.threads=1", "display=quiet", "report.every=null", *settings],
    ]
    started = time.monotonic()
    done = subprocess.run(command, cwd=place.parent, env=environment(), capture_output=True, text=True)
    if not (place / "sweep.json").exists():
        sys.exit(done.stdout + done.stderr)
    return json.loads((place / "sweep.json").read_text())["jobs"], time.monotonic() - started


def completions(place: Path) -> int:
    """Completions generated for training, over all trials."""
    files = place.glob("*/completions/train.jsonl")
    return sum(sum(1 for _ in file.open(encoding="utf-8")) for file in files)


def best_so_far(jobs: list[dict]) -> list[float]:
    """The best objective after each trial, in the order of their numbers."""
    best, found = 0.0, []
    for job in jobs:
        best = max(best, job["objective"] or 0.0 if job["status"] == "completed" else 0.0)
        found.append(best)
    return found


def search(args: argparse.Namespace, place: Path) -> None:
    """TPE against random search."""
    curves: dict[str, list[list[float]]] = {"tpe": [], "random": []}
    good: dict[str, list[int]] = {"tpe": [], "random": []}
    for seed in range(args.seeds):
        for sampler, options in (("tpe", [f"sweep.sampler_options.n_startup_trials={args.startup}"]), ("random", [])):
            jobs, seconds = sweep(
                place / f"{sampler}-{seed}", args, f"sweep.sampler={sampler}", f"sweep.seed={seed}", *options,
                "evaluation.every=null",
            )  # fmt: skip
            curves[sampler].append(best_so_far(jobs))
            good[sampler].append(sum((job["objective"] or 0.0) >= 0.5 for job in jobs))
            print(f"{sampler} seed {seed}: best {curves[sampler][-1][-1]:.3f}, {good[sampler][-1]} of {len(jobs)} "
                  f"trials above 0.5, {seconds:.0f} s", flush=True)  # fmt: skip
    for sampler in curves:
        mean = [statistics.mean(values) for values in zip(*curves[sampler], strict=True)]
        shown = " ".join(f"{value:.3f}" for value in mean)
        print(f"{sampler}: mean best after each trial {shown}; trials above 0.5: {statistics.mean(good[sampler]):.1f}")


def pruning(args: argparse.Namespace, place: Path) -> None:
    """What pruners save, and whether the best is still found; random search, so that all see the same trials."""
    whole = 0
    for pruner, options in (
        ("none", []),
        ("median", [f"sweep.pruner_options={{n_startup_trials: {args.startup}, n_warmup_steps: {args.judged}}}"]),
        ("asha", [f"sweep.pruner_options.min_resource={args.judged}"]),
        ("hyperband", [f"sweep.pruner_options.min_resource={args.judged}"]),
    ):
        jobs, seconds = sweep(
            place / pruner, args, "sweep.sampler=random", f"sweep.pruner={pruner}", *options,
            f"evaluation.every={args.every}",
        )  # fmt: skip
        made = completions(place / pruner)
        whole = whole or made
        pruned = sum(job["status"] == "pruned" for job in jobs)
        best = max((job["objective"] or 0.0, -job["number"]) for job in jobs if job["status"] == "completed")
        print(f"{pruner}: {made} completions ({made / whole:.0%}), {pruned} of {len(jobs)} pruned, best {best[0]:.3f} "
              f"(trial {-best[1]}), {seconds:.0f} s", flush=True)  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help="search, pruning; both where none is named")
    sizes = {"trials": 12, "seeds": 3, "steps": 25, "rows": 128, "slots": 2, "startup": 4, "every": 5, "judged": 10}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for work in (search, pruning):
            if not args.what or work.__name__ in args.what:
                work(args, Path(place))


if __name__ == "__main__":
    main()
