"""Completions that are cut, run on, or shrink to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import WARNING, Finding
from grpo_cli.doctor.history import History, mean
from grpo_cli.doctor.rules.signal import learned
from grpo_cli.doctor.wording import number, percent

LENGTH, CUT = "completions/mean_length", "completions/clipped_ratio"


def truncated(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Nearly all completions are cut at the limit, so no answer is ever finished."""
    recent = history.recent(CUT, steps=5)
    if not recent or min(p.value for p in recent) < settings.truncated:
        return
    limit = facts.max_completion_length
    yield Finding(
        "truncated",
        WARNING,
        "nearly all completions are cut before they end",
        f"{percent(mean(recent))} reached the limit of {limit} tokens over the last {history.steps_of(recent)} steps",
        "The limit is too short for what the model writes, or the model does not know its end-of-sequence token.",
        (f"training.max_completion_length={2 * limit}", "training.mask_truncated_completions=true"),
    )


def length_explosion(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Completions get longer and longer and reach the limit, or grow without earning anything."""
    start, recent = history.start(LENGTH), history.recent(LENGTH)
    if not recent or not (before := mean(start)):
        return
    growth = mean(recent) / before
    cut_before, cut_now = mean(history.start(CUT) or start), mean(history.recent(CUT) or recent)
    reaches_limit = growth >= 2 and cut_now >= 0.3 and cut_before < 0.1
    if not reaches_limit and not (growth >= 3 and not learned(history, facts)):
        return
    yield Finding(
        "length_explosion",
        WARNING,
        "completions grow and grow",
        f"{number(before)} tokens at the start, {number(mean(recent))} over the last {history.steps_of(recent)} steps; "
        f"{percent(cut_now)} are cut",
        "The loss or a reward favours length: with some losses a long wrong answer is punished less for each token.",
        (
            "algorithm=dr_grpo",
            *facts.adding("overlong", f"reward.overlong.max_length={facts.max_completion_length}"),
            "training.mask_truncated_completions=true",
        ),
    )


def length_collapse(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Completions shrink to a fraction of what they were, and nothing shows that they are better for it."""
    start, recent = history.start(LENGTH), history.recent(LENGTH)
    if not recent or mean(recent) > 0.25 * mean(start):
        return
    evaluations = history.held_out()
    if any(points[-1].value > points[0].value + 0.05 for points in evaluations.values()):
        return
    if not evaluations and learned(history, facts) and mean(recent) > 3:
        return  # a reward for brevity, with nothing that speaks against it
    yield Finding(
        "length_collapse",
        WARNING,
        "completions have shrunk to almost nothing",
        f"{number(mean(start))} tokens at the start, {number(mean(recent))} over the last "
        f"{history.steps_of(recent)} steps",
        "A reward favours short completions, or pays for those that say nothing; look at the completions.",
        (*facts.adding("format"), *(("training.beta=0.04",) if not facts.beta else ()))
        or ("training.temperature=1.0",),
    )
