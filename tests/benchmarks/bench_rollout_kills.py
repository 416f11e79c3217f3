"""Kill runs that have a rollout server at random moments, and count what is left of them.

    python tests/benchmarks/bench_rollout_kills.py [kills] [first seed]

Each kill draws, from its seed, who gets it (composer, server, a rank), which signal, when, and how server and worker
behave (ignoring SIGTERM, holding shared memory and a child, slow to start). Left behind may be nothing: no process that
carries the run's mark, no segment in /dev/shm.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "rollout")]

from serving import kill_at_random  # noqa: E402


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + kills):
            told, found = kill_at_random(Path(folder) / f"run{seed}", seed)
            failed += bool(found)
            print(told, "| left:", ", ".join(found) or "nothing", flush=True)
    print(f"{kills} kills, {failed} of them left something behind")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
