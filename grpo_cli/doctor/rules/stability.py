"""Numbers that leave the range in which training works: not finite, gradients, KL, entropy."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import ERROR, WARNING, Finding
from grpo_cli.doctor.history import History, mean
from grpo_cli.doctor.wording import number, rate

_WATCHED = ("loss", "grad_norm", "kl", "entropy", "reward")
_BEFORE = 4
"""Logs that must lie before a jump for it to be one."""


def not_finite(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """NaN or infinity in a metric that has to be a number; files hold these as text."""
    last = history.train[-1] if history.train else {}
    bad = [key for key in _WATCHED if str(last.get(key)).lower() in ("nan", "inf", "-inf")]
    if bad:
        yield Finding(
            "not_finite",
            ERROR,
            f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} no longer a number",
            ", ".join(f"{key} {last[key]}" for key in bad) + f" at step {last.get('step')}",
            "Numbers have overflowed: half precision, too high a learning rate, or a reward of infinity.",
            (
                f"training.learning_rate={rate(facts.learning_rate / 10)}",
                "training.bf16=false training.fp16=false",
                "training.max_grad_norm=0.2",
            ),
        )


def kl_blow_up(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """The policy is further from the reference model than anything sensible is, or has jumped away from it."""
    points = history.series("kl")
    if len(points) < 3:
        return
    recent, before = points[-2:], points[:-2]
    typical = statistics.median(p.value for p in before)
    jumped = len(before) >= _BEFORE and min(p.value for p in recent) > max(20 * typical, 1.0)
    if min(p.value for p in recent) <= settings.max_kl and not jumped:
        return
    yield Finding(
        "kl_blow_up",
        ERROR,
        "the policy has run away from the reference model",
        f"KL {number(mean(recent))} nats a token at step {points[-1].step}, {number(typical)} before",
        "Updates are too large for the KL term to hold the policy back.",
        (
            f"training.learning_rate={rate(facts.learning_rate / 10)}",
            *((f"training.beta={number(3 * facts.beta)}",) if facts.beta else ()),
            "training.warmup_steps=10",
        ),
    )


def gradient_blow_up(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Gradients have become many times what they were, and stay so."""
    points = [p for p in history.series("grad_norm") if p.value > 0]
    recent, before = points[-2:], points[:-2]
    if len(before) < _BEFORE:
        return
    typical = statistics.median(p.value for p in before)
    limit = max(10 * typical, 2 * max(p.value for p in before[:_BEFORE]), facts.max_grad_norm or 1.0)
    if min(p.value for p in recent) <= limit:
        return
    clipped = f", clipped to {number(facts.max_grad_norm)}" if facts.max_grad_norm else ""
    yield Finding(
        "gradient_blow_up",
        WARNING,
        "gradients have become many times larger",
        f"norm {number(mean(recent))} at step {points[-1].step}, {number(typical)} before{clipped}",
        "The run is becoming unstable: steps are too large, or single completions have extreme advantages.",
        (f"training.learning_rate={rate(facts.learning_rate / 3)}", "training.max_grad_norm=0.2", "algorithm=dr_grpo"),
    )


def entropy_collapse(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """The policy always says the same, while there is reward left to find."""
    start, recent = history.start("entropy"), history.recent("entropy")
    if not recent or mean(recent) > max(0.05 * mean(start), 1e-4) or not history.recent("reward"):
        return
    late = history.recent("reward", steps=2, least=4)
    if len(late) < 4:
        return
    best = highest_reward(history, facts)
    won = best is not None and mean(late) >= 0.7 * best[1] + 0.3 * best[0]
    halves = late[: len(late) // 2], late[len(late) // 2 :]
    error = history.reward_error(late, facts.groups_per_step)
    if won or mean(halves[1]) - mean(halves[0]) > 2 * error:
        return
    yield Finding(
        "entropy_collapse",
        WARNING,
        "the policy has stopped exploring while there is reward left to find",
        f"entropy {number(mean(start))} at the start, {number(mean(recent))} now; reward {number(mean(late))}"
        + (f" of at most {number(best[1])} seen" if best else ""),
        "It has settled on one way to answer before it found a better one.",
        ("algorithm=dapo", "training.temperature=1.2", f"training.learning_rate={rate(facts.learning_rate / 3)}"),
    )


def highest_reward(history: History, facts: Facts) -> tuple[float, float] | None:
    """The lowest and the highest sum of rewards that single completions show to be possible.

    Returns:
        (lowest, highest) of the weighted sums of each reward's extremes; None where extremes are not logged.
    """
    names = history.keys("rewards/", "/max")
    if not names:
        return None
    low = high = 0.0
    for name in names:
        weight = facts.weights.get(name, 1.0)
        ends = [
            weight * max(p.value for p in history.series(f"rewards/{name}/max")),
            weight * min(p.value for p in history.series(f"rewards/{name}/min")),
        ]
        low, high = low + min(ends), high + max(ends)
    return low, high
