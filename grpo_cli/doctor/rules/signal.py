"""Is there anything to learn from, and is it being learned?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import ERROR, INFO, WARNING, Finding
from grpo_cli.doctor.history import History, Point, mean
from grpo_cli.doctor.wording import number, percent, rate

_SURE = 3.0
"""Standard errors that a difference must have to count as one, where a run may be ended for it."""


def learned(history: History, facts: Facts) -> bool:
    """Whether the training reward is by now above where it began, beyond doubt."""
    start, recent = history.start("reward"), history.recent("reward")
    if not start or not recent:
        return False
    error = history.reward_error(start, facts.groups_per_step) + history.reward_error(recent, facts.groups_per_step)
    return mean(recent) - mean(start) > 2 * error


def constant_reward(history: History) -> bool:
    """Whether every completion so far got the same reward."""
    rewards, spreads = {p.value for p in history.series("reward")}, history.series("reward_std")
    return len(rewards) == 1 and all(p.value < 1e-9 for p in spreads)


def zero_variance(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Nearly all groups got one reward for all their completions, and not because the task is learned."""
    recent = history.recent("frac_reward_zero_std")
    if not recent or min(p.value for p in recent) < settings.zero_variance or learned(history, facts):
        return
    cut = history.recent("completions/clipped_ratio")
    if next(reward_collapse(history, facts, settings), None):
        return  # there was something to learn from, before it collapsed
    if cut and min(p.value for p in cut) >= settings.truncated:
        return  # `truncated` says why
    reward = mean(history.recent("reward") or history.series("reward"))
    evidence = f"{percent(mean(recent))} of groups over the last {history.steps_of(recent)} steps"
    evidence += f"; {'every completion so far got' if constant_reward(history) else 'mean reward'} {number(reward)}"
    yield Finding(
        "zero_variance",
        ERROR,
        "nearly all groups have one reward for all their completions, so there is nothing to learn from",
        evidence,
        "The prompts are too hard or too easy for this model, or the reward cannot tell its completions apart "
        "(try it: grpo-reward try).",
        (
            f"training.num_generations={2 * facts.num_generations}",
            "training.temperature=1.2",
            *facts.adding("format"),
        ),
    )


def reward_flat(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """The reward is where it was when the run began, after enough steps to have moved."""
    points = history.series("reward")
    start, spread = history.start("reward"), history.start("reward_std")
    if not start or points[-1].step - start[-1].step < settings.patience or mean(spread) < 1e-9:
        return
    if constant_reward(history) or mean(history.recent("frac_reward_zero_std") or [Point(0, 0)]) >= 0.9:
        return  # zero_variance says why
    recent = [p for p in points if p.step > points[-1].step - settings.patience / 2]
    middle = [p for p in points if start[-1].step < p.step <= points[-1].step - settings.patience / 2]
    if len(recent) < 3 or not middle:
        return
    error = history.reward_error(recent, facts.groups_per_step)
    base = history.reward_error(start, facts.groups_per_step)
    gain = mean(recent) - mean(start)
    if abs(gain) > 2 * (error**2 + base**2) ** 0.5 or abs(mean(recent) - mean(middle)) > 2 * error:
        return
    if any(points[-1].value - points[0].value > 0.05 for points in history.held_out().values()):
        return
    yield Finding(
        "reward_flat",
        WARNING,
        f"the reward has not moved in {points[-1].step - start[0].step} steps",
        f"{number(mean(start))} at the start, {number(mean(recent))} over the last {history.steps_of(recent)} steps",
        "The learning rate is too small for this model, or the reward does not depend on what the model can change.",
        (
            *((f"training.learning_rate={rate(10 * facts.learning_rate)}",) if facts.learning_rate < 1e-4 else ()),
            f"training.num_generations={2 * facts.num_generations}",
            "training.scale_rewards=batch",
        ),
    )


def reward_collapse(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """The reward has fallen far below where it once was."""
    recent = history.recent("reward")
    if not recent:
        return
    points = history.series("reward")
    before = [p for p in points if p.step < recent[0].step]
    best = max(pairwise(before), key=lambda pair: pair[0].value + pair[1].value, default=before)
    spread = mean(history.start("reward_std"))
    spread = max(spread, mean([p for p in history.series("reward_std") if p.step >= best[0].step]))
    fall = mean(best) - mean(recent)
    error = history.reward_error(best, facts.groups_per_step) + history.reward_error(recent, facts.groups_per_step)
    if fall <= 0.5 * spread or fall <= _SURE * error or max(p.value for p in recent) > mean(best) - 0.25 * spread:
        return
    yield Finding(
        "reward_collapse",
        ERROR,
        "the reward has collapsed",
        f"{number(mean(best))} around step {best[-1].step}, {number(mean(recent))} over the last "
        f"{history.steps_of(recent)} steps",
        "An update was too large and the policy left what it could do; it seldom comes back by itself.",
        (
            f"training.learning_rate={rate(facts.learning_rate / 10)}",
            *(("training.warmup_steps=10",) if facts.warmup_steps < 1 else ()),
            *(("training.beta=0.04",) if not facts.beta else ()),
        ),
    )


def loss_zero(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Say once that a loss of 0 is normal, before somebody stops a good run for it."""
    losses, norms = history.series("loss")[:3], history.series("grad_norm")[:3]
    if len(losses) < 3 or not norms or max(abs(p.value) for p in losses) > 1e-3 or max(p.value for p in norms) < 1e-6:
        return
    yield Finding(
        "loss_zero",
        INFO,
        "a loss of 0 is normal here",
        f"loss {max(abs(p.value) for p in losses):.1g} at most, gradient norm {number(mean(norms))}",
        "GRPO compares the answers to one prompt with each other: what counts for the better ones counts against the "
        "worse, and adds up to 0. The gradient does not, so the model learns all the same; watch the reward and the "
        "held-out evaluation instead.",
    )
