"""Reward that is earned in another way than was meant."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.digest import Digest
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import ERROR, WARNING, Finding
from grpo_cli.doctor.history import History, Point, finite
from grpo_cli.doctor.rules.signal import learned
from grpo_cli.doctor.wording import number, percent, rate

_BATCHES = 4
_STAYS, _STAYS_STEPS = 4, 20
"""Evaluations, the baseline among them, and steps without gain that count as staying."""


def reward_hacking(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """The training reward rises while held-out answers get worse, or no better."""
    if not learned(history, facts):
        return
    start, recent = history.start("reward"), history.recent("reward")
    rise = f"training reward {number(start[0].value)} → {number(recent[-1].value)}"
    for key, points in history.held_out().items():
        if len(points) < 3:
            continue
        dataset, _, metric = key.removeprefix("eval/").rpartition("/")
        name = f"{metric} on {dataset}" if dataset not in ("", "held_out") else metric
        best = max(points[:-1], key=lambda p: p.value)
        last = points[-2:]
        margin = 2 * math.sqrt(2) * _error(history, points[-1])
        falls = all(p.value < best.value - max(margin, 0.05) for p in last)
        stays = (
            len(points) >= _STAYS
            and points[-1].step >= _STAYS_STEPS
            and key.endswith("accuracy")
            and points[0].value < 0.9
            and all(p.value - points[0].value <= margin for p in points[1:])
        )
        if falls:
            how, severity = "falls", ERROR
            told = f"held-out {name} {number(best.value)} at step {best.step} → {number(points[-1].value)}"
        elif stays:
            how, severity = "does not move", WARNING
            told = f"held-out {name} {number(points[0].value)} → {number(points[-1].value)}"
        else:
            continue
        yield Finding(
            "reward_hacking",
            severity,
            f"the training reward rises while held-out {name} {how}",
            f"{rise}; {told} at step {points[-1].step}",
            "What is rewarded is not what is measured: the policy has found an easier way to the reward, or learns the "
            "training prompts by heart. Look at the completions, and at what wins: grpo-reward try.",
            ("training.beta=0.04", "evaluation.every=10", "'reward=[exact_match]'"),
            about=key,
        )


def degenerate(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """An empty completion, or the same one whatever was asked, earns more than the others."""
    batches = history.digests[-_BATCHES:]
    total = sum(d.completions for d in batches)
    if not total:
        return
    empty = sum(d.empty for d in batches)
    paid = _mean([(d.empty_reward, d.empty) for d in batches])
    others = _mean([(d.other_reward, d.completions - d.empty) for d in batches])
    if empty >= 8 and empty >= 0.1 * total and paid is not None and (others is None or paid > others):
        yield _wins(
            "empty",
            "empty completions win",
            f"{percent(empty / total)} of the last {total} completions hold no letter or digit and earn "
            f"{number(paid)} on average, the others {number(others) if others is not None else 'nothing'}",
        )
    yield from _one_text(batches[-1], facts)


def _one_text(last: Digest, facts: Facts) -> Iterator[Finding]:
    """One text answers many prompts whose right answers differ: it earns more than the others, or is all there is."""
    share, paid, rest = last.commonest / last.completions, last.commonest_reward, last.rest_reward
    if last.commonest < 8 or last.commonest_prompts < 4 or last.answers == 1 or paid is None:
        return
    pays = rest is not None and paid > rest and last.answers >= 4 and share >= 0.15
    if not pays and share < 0.8:
        return
    evidence = (
        f"{percent(share)} of the completions at step {last.step}, to {last.commonest_prompts} different prompts, are "
        f"'{last.commonest_text[:40]}' and earn {number(paid)}"
        + (f" on average, the others {number(rest)}" if rest is not None else "")
    )
    if pays:
        yield _wins("constant", "one and the same text wins, whatever was asked", evidence)
        return
    yield Finding(
        "degenerate",
        ERROR,
        "nearly all completions are the same text, whatever was asked",
        evidence,
        "The policy has collapsed onto one answer: updates were too large, or a reward paid for it earlier on.",
        (f"training.learning_rate={rate(facts.learning_rate / 3)}", "training.warmup_steps=10", "training.beta=0.04"),
        about="constant",
    )


def _wins(about: str, symptom: str, evidence: str) -> Finding:
    return Finding(
        "degenerate",
        ERROR,
        symptom,
        evidence,
        "The reward pays for saying nothing in particular: it counts what is missing or is fooled by what is always "
        "there. Mend the reward (grpo-reward try shows what wins), or gate it by one for the right answer.",
        ("'reward=[exact_match]'", "reward.<name>.gate=exact_match"),
        about=about,
    )


def _error(history: History, point: Point) -> float:
    """The standard error of an accuracy at one evaluation, by the number of its prompts."""
    record = next((r for r in history.evals if r.get("step") == point.step), {})
    samples = finite(record.get("eval/samples")) or finite(record.get("eval/held_out/samples")) or 64.0
    share = min(max(point.value, 0.02), 0.98)
    return math.sqrt(share * (1 - share) / samples)


def _mean(parts: Sequence[tuple[float | None, int]]) -> float | None:
    """A mean of means, each over so many."""
    known = [(value, count) for value, count in parts if value is not None and count]
    count = sum(c for _, c in known)
    return sum(v * c for v, c in known) / count if count else None
