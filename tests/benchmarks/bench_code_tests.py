"""Code tests on 64 programs, side by side against one at a time: `cd tests && python -m benchmarks.bench_code_tests`.

Each program is tested in a sandbox of its own; side by side means as many at once as there are cores (or --workers).
What the machine can do is measured too: the same work in that many bare processes, with no sandbox. The best of
--repeats is taken, in turns, since other work on the machine disturbs all alike. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.timing import compare

from grpo_cli.rewards.code_tests import code_tests
from grpo_cli.sandbox.isolation import describe

PROGRAMS = 64
BAR = 1.8
# Some work of its own, as a test of a real task has: about 30 ms.
CODE = """
def primes(n):
    return [k for k in range(2, n) if all(k % d for d in range(2, int(k ** 0.5) + 1))]

if __name__ == "__main__":
    print(len(primes(int(input()))))
"""
PRINTS = {"inputs": ["20000\n"], "outputs": ["2262\n"]}
CALLS = ["assert len(primes(20000)) == 2262"]


def sandboxed(tests: object, workers: int) -> float:
    """Seconds for scoring all programs; the scores are checked."""
    began = time.perf_counter()
    answer = f"```python{CODE}```"
    with ThreadPoolExecutor(workers) as pool:
        scores = list(pool.map(lambda _: code_tests(answer, tests), range(PROGRAMS)))
    assert scores == [1.0] * PROGRAMS
    return time.perf_counter() - began


def bare(workers: int) -> float:
    """Seconds for running all programs in so many forked processes, with nothing around them."""
    began = time.perf_counter()
    children = []
    for worker in range(workers):
        if (child := os.fork()) == 0:
            for _ in range(worker, PROGRAMS, workers):
                space = {"__name__": "__main__", "input": lambda: PRINTS["inputs"][0]}
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(CODE, "main.py", "exec"), space)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return time.perf_counter() - began


def main() -> bool:
    """Measure and print; whether no bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(describe())
    kinds = {
        "bare processes": bare,
        "input and output": lambda workers: sandboxed(PRINTS, workers),
        "asserts": lambda workers: sandboxed(CALLS, workers),
    }
    taken: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.repeats):
        for name, kind in kinds.items():
            for workers in (1, options.workers):
                taken.setdefault((name, workers), []).append(kind(workers))
    best = {key: 1e3 * min(seconds) / PROGRAMS for key, seconds in taken.items()}
    bound = best["bare processes", 1] / best["bare processes", options.workers]
    print(f"the same work in {options.workers} bare processes, which is what this machine can do now: {bound:.2f}x")
    what = f"milliseconds per program, one at a time / {options.workers} at once"
    names = ("input and output", "asserts")
    reached = [compare(f"{name}: {what}", best[name, 1], best[name, options.workers], BAR) for name in names]
    return all(reached)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
