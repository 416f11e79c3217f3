"""Code tests on 64 programs: side by side against one at a time. Run: python tests/benchmarks/bench_code_tests.py

Each program is tested in a sandbox of its own; side by side means as many at once as there are cores (or --workers).
Prints seconds, milliseconds per program and the ratio; the best of --repeats is taken, in turns, since other work on
the machine disturbs both alike.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from grpo_cli.rewards.code_tests import code_tests
from grpo_cli.sandbox.isolation import describe

PROGRAMS = 64
# Some work of its own, as a test of a real task has: about 30 ms.
CODE = """```python
def primes(n):
    return [k for k in range(2, n) if all(k % d for d in range(2, int(k ** 0.5) + 1))]

if __name__ == "__main__":
    print(len(primes(int(input()))))
```"""
PRINTS = {"inputs": ["20000\n"], "outputs": ["2262\n"]}
CALLS = ["assert len(primes(20000)) == 2262"]


def seconds(tests: object, workers: int) -> float:
    """Score all programs and check the scores."""
    began = time.perf_counter()
    if workers == 1:
        scores = [code_tests(CODE, tests) for _ in range(PROGRAMS)]
    else:
        with ThreadPoolExecutor(workers) as pool:
            scores = list(pool.map(lambda _: code_tests(CODE, tests), range(PROGRAMS)))
    assert scores == [1.0] * PROGRAMS
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    for name, tests in (("input and output", PRINTS), ("asserts", CALLS)):
        alone, together = [], []
        for _ in range(options.repeats):
            alone.append(seconds(tests, 1))
            together.append(seconds(tests, options.workers))
        one, all_ = min(alone), min(together)
        print(
            f"{name}: {PROGRAMS} programs one at a time {one:.2f} s ({1000 * one / PROGRAMS:.0f} ms each), "
            f"{options.workers} at once {all_:.2f} s ({1000 * all_ / PROGRAMS:.0f} ms each): "
            f"{one / all_:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
