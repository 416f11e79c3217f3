"""What the guard costs and what it gains: `cd tests && python -m benchmarks.bench_guard`.

Exits with 1 where a bar is missed. The ratios are those of one run on one machine; milliseconds vary with it.
"""

from __future__ import annotations

import re
import sys
import time

from benchmarks.timing import compare, medians_ms

from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.limits import cores

BATCH = 64
TRIVIAL = "benchmarks.bench_guard:trivial"
WORK = "benchmarks.bench_guard:work"


def trivial(completion: str) -> float:
    """A reward that costs nothing."""
    return float(len(completion))


def work(completion: str, answer: str, *, salt: int = 0) -> float:
    """A reward as they usually are: about a millisecond of regular expressions."""
    found = 0
    for _ in range(30):
        found += len(re.findall(r"(\d+)\s*[-+*/]\s*(\d+)", completion)) + salt
    return float(found > len(answer))


def guarded(entries: dict[str, dict[str, object]]) -> Guard:
    """A guard over these entries, its workers started."""
    context = RewardContext()
    return Guard(build_rewards(entries, context=context), entries, context=context)


def own_cost() -> bool:
    """The guard's own cost on a batch of 64 trivial completions (bar: 3 ms)."""
    with guarded({"trivial": {"target": TRIVIAL}}) as guard:
        texts = ["<answer>845</answer>" * 3] * BATCH
        prompts = ["What is 487+358?"] * BATCH
        reward = guard.rewards[0]
        bare, under = medians_ms(lambda: reward.reward(prompts, texts), lambda: reward(prompts, texts), repeats=200)
        cost = under - bare
    print(f"guard's own cost, batch of {BATCH} trivial completions: {cost:.2f} ms (bar 3 ms)")
    return cost <= 3.0


def together() -> bool:
    """Three CPU rewards at once under guard against one after another in one process (bar: 1.6x on 2 cores)."""
    entries = {f"work{i}": {"target": WORK, "salt": i} for i in range(3)}
    texts = [f"{i} + {i} = {2 * i}, so " * 60 for i in range(BATCH)]
    prompts, answers = ["p"] * BATCH, ["845"] * BATCH
    with guarded(entries) as guard:

        def at_once() -> None:
            guard.begin(prompts, texts, None, {"answer": answers})
            for reward in guard.rewards:
                reward(prompts, texts, answer=answers)

        def in_turn() -> None:
            for reward in guard.rewards:
                reward.reward(prompts, texts, answer=answers)

        return compare(
            "three CPU rewards, one after another / together", *medians_ms(in_turn, at_once, repeats=15), 1.6
        )


def replacement() -> bool:
    """What it costs to kill a worker and go on with another (bar: 30 ms)."""
    with guarded(
        {"sleep": {"target": "benchmarks.bench_guard:sleeps", "timeout": 0.05, "max_failure_rate": 1.0}}
    ) as guard:
        reward = guard.rewards[0]
        rounds = 2  # of hanging completions, 50 ms each
        texts = ["hang"] * rounds * guard.workers
        (taken,) = medians_ms(lambda: reward(["p"] * len(texts), list(texts)), repeats=10)
        cost = taken / rounds - 50
    print(f"killing and replacing a worker: {cost:.1f} ms (bar 30 ms)")
    return cost <= 30


def sleeps(completion: str) -> float:
    """A reward that hangs on some completions."""
    time.sleep(1000 if completion == "hang" else 0)
    return 0.0


if __name__ == "__main__":
    print(f"{cores()} cores")
    sys.exit(0 if all([own_cost(), together(), replacement()]) else 1)
