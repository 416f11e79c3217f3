"""`math` under guard against TRL's `accuracy_reward`: `cd tests && python -m benchmarks.bench_math`.

512 ordinary completions (benchmarks/math_completions.py), the same for both; workers are warmed by another seed, so
that none of what is timed is in a cache. Exits with 1 where the bar is missed or a verdict differs.
"""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.math_completions import MathCompletion, math_completions
from trl.rewards import accuracy_reward

from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard

BAR = 1.7
SEEDS = range(2, 7)


def main() -> bool:
    """Time both on new completions in each round, taking turns."""
    entries = {"math": {"target": "grpo_cli.rewards.math_answer:math"}}
    context = RewardContext()
    with Guard(build_rewards(entries, context=context), entries, context=context) as guard:
        trls(math_completions(seed=1))
        ours(guard, math_completions(seed=1))
        times, same = [], True
        for seed in SEEDS:
            batch = math_completions(seed=seed)
            theirs, theirs_s = timed(lambda batch=batch: trls(batch))
            mine, mine_s = timed(lambda batch=batch: ours(guard, batch))
            same = same and theirs == mine
            times.append((theirs_s, mine_s))
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"math, 512 completions, {guard.workers} workers: TRL {slow:.2f} s, ours {fast:.2f} s: "
        f"{slow / fast:.2f}x (bar {BAR}x)"
    )
    print(f"verdicts: {'the same' if same else 'NOT the same'} on all {len(SEEDS) * 512}")
    return same and slow / fast >= BAR


def timed(work):
    """What a call gives, and its wall seconds."""
    started = time.perf_counter()
    given = work()
    return given, time.perf_counter() - started


def trls(batch: list[MathCompletion]) -> list[float | None]:
    """TRL's own reward; it takes conversations."""
    completions = [[{"role": "assistant", "content": one.text}] for one in batch]
    return accuracy_reward(completions, [one.gold for one in batch])


def ours(guard: Guard, batch: list[MathCompletion]) -> list[float | None]:
    """`math`, a batch as the trainer hands it over."""
    texts = [one.text for one in batch]
    return guard.rewards[0](["p"] * len(batch), texts, answer=[one.gold for one in batch])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
