"""Single rewards: one that drowns the others, and those that fail."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import WARNING, Finding
from grpo_cli.doctor.history import RECENT_STEPS, START_STEPS, History, mean
from grpo_cli.doctor.wording import number, percent

_TIMES = 10.0
"""How many times larger than all others a reward's spread must be to drown them."""

_FAILING = 0.05


def one_reward_dominates(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """One reward's spread, times its weight, is many times every other's, since the start: the sum is that reward."""
    weights = {name: abs(weight) for name, weight in facts.weights.items() if weight}
    reward = history.series("reward")
    if len(weights) < 2 or facts.normalised or not reward or reward[-1].step - reward[0].step < RECENT_STEPS:
        return
    spreads = {name: history.series(f"rewards/{name}/std") for name in weights}
    # A reward that does not vary at all (a form always kept) is not drowned: it has nothing to say.
    varying = {name: points for name, points in spreads.items() if points and max(p.value for p in points) > 1e-9}
    if len(varying) < 2:
        return
    logs = min(len(points) for points in varying.values())
    sizes = {
        name: [weights[name] * p.value for p in points[-logs:] if p.step >= START_STEPS]
        for name, points in varying.items()
    }
    if not all(sizes.values()):
        return
    name = max(sizes, key=lambda n: statistics.median(sizes[n]))
    others = {n: values for n, values in sizes.items() if n != name}
    if any(
        mine < _TIMES * theirs for values in others.values() for mine, theirs in zip(sizes[name], values, strict=True)
    ):
        return
    second = max(others, key=lambda n: statistics.median(others[n]))
    times = statistics.median(sizes[name]) / max(statistics.median(others[second]), 1e-9)
    weight = facts.weights[name] / times
    yield Finding(
        "one_reward_dominates",
        WARNING,
        f"reward.{name} drowns the others",
        f"its spread times its weight is {number(statistics.median(sizes[name]))}, that of the next ({second}) "
        f"{number(statistics.median(others[second]))}",
        "Group-relative advantages follow the reward that varies most; the others hardly count.",
        (
            f"reward.{name}.weight={number(weight)}",
            f"reward.{name}.normalize=running reward.{second}.normalize=running",
            "algorithm=gdpo",
        ),
        about=name,
    )


def reward_failures(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """A reward fails on a noticeable share of completions, or more and more."""
    for name in history.keys("rewards/", "/errors"):
        for kind, verb in (("errors", "fails"), ("timeouts", "times out")):
            key = f"rewards/{name}/{kind}"
            recent, start = history.recent(key, steps=5), history.start(key)
            if not recent or mean(recent) < _FAILING:
                continue
            slow = kind == "timeouts"
            yield Finding(
                "reward_failures",
                WARNING,
                f"reward.{name} {verb} on part of the completions",
                f"{percent(mean(recent))} over the last {history.steps_of(recent)} steps, "
                f"{percent(mean(start))} at the start",
                "What failed does not count, so the policy is not taught about completions of that kind, or learns to "
                "write them. Do them again: grpo-reward replay <run folder>.",
                (f"reward.{name}.timeout=30",) if slow else (f"reward.{name}.on_error=zero",),
                about=f"{name}/{kind}",
            )
