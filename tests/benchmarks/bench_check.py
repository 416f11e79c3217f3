"""How long grpo-check takes, light part and data part: `python -m pytest -m "" -s tests/benchmarks/bench_check.py`."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_runs import environment

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "grpo_cli.commands.check"]
WORDS = ("farm", "apples", "train", "boy", "girl", "sells", "price", "week", "total", "many", "pears", "cost", "road")


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds on the clock and on the processor, the better of two runs."""
    taken = []
    for _ in range(2):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([*COMMAND, *arguments], cwd=folder, env=environment(), capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stdout + done.stderr
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append((time.perf_counter() - started, processor))
    return min(seconds for seconds, _ in taken), min(seconds for _, seconds in taken)


def test_the_light_part(tmp_path: Path) -> None:
    clock, processor = run(tmp_path)
    print(f"\nlight part: {clock:.2f} s, {processor:.2f} s of processor time")
    assert processor < 1.2


def test_the_data_part_on_ten_thousand_rows(tmp_path: Path) -> None:
    rng = random.Random(0)
    with (tmp_path / "rows.jsonl").open("w") as file:
        for number in range(10_000):
            words = " ".join(rng.choice(WORDS) for _ in range(40))
            prompt = f"{words} {rng.randint(1, 99)} and {rng.randint(1, 99)}?"
            file.write(json.dumps({"prompt": prompt, "answer": str(number)}) + "\n")
    clock, processor = run(tmp_path, "dataset=rows.jsonl", "data=true", "training.max_completion_length=128")
    print(f"\ndata part, 10,000 rows: {clock:.1f} s, {processor:.1f} s of processor time")
    assert processor < 10
