"""Is it still as fast as it was?"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import WARNING, Finding
from grpo_cli.doctor.history import History, finite
from grpo_cli.doctor.wording import number

_LOGS = 8
_SECONDS = 180.0
"""How long it must have been slow: a machine that is busy for a moment is nothing to report."""


def throughput(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Tokens a second of step time have halved, and stay so."""
    now = tokens_per_second(history.train[-_LOGS - 1 :])
    if len(now) < _LOGS or sum(seconds for _, seconds in now) < _SECONDS:
        return
    before = tokens_per_second(history.train[1 : -2 * _LOGS])  # the first log pays for warm-up
    if len(before) < _LOGS:
        return
    typical = statistics.median(speed for speed, _ in before)
    if max(speed for speed, _ in now) > 0.5 * typical:
        return
    slowest = max(
        history.keys("rewards/", "/ms"), key=lambda n: history.series(f"rewards/{n}/ms")[-1].value, default=None
    )
    paid = ""
    if slowest:
        points = history.series(f"rewards/{slowest}/ms")
        at_first, by_now = number(points[0].value), number(points[-1].value)
        paid = f"; reward.{slowest} takes {by_now} ms a completion, {at_first} at first"
    yield Finding(
        "throughput_halved",
        WARNING,
        "training has become less than half as fast",
        f"{number(statistics.median(s for s, _ in now))} tokens a second, {number(typical)} before{paid}",
        "Something else uses the machine, a reward has become slow, memory is nearly full, or it is too hot.",
        ("guard.workers=auto", "training.gradient_checkpointing=true"),
    )


def tokens_per_second(logs: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Tokens a second of step time between logs, and the seconds of step time each is over."""
    speeds = []
    for earlier, later in pairwise(logs):
        tokens = (finite(later.get("num_tokens")) or 0.0) - (finite(earlier.get("num_tokens")) or 0.0)
        steps = int(later.get("step") or 0) - int(earlier.get("step") or 0)
        seconds = (finite(later.get("step_time")) or 0.0) * steps
        if tokens > 0 and seconds > 0:
            speeds.append((tokens / seconds, seconds))
    return speeds
