"""Reward that is earned in another way than was meant."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.digest import Digest
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import ERROR, WARNING, Finding
from grpo_cli.doctor.history import History, Point, finite
from grpo_cli.doctor.rules.signal import learned
from grpo_cli.doctor.wording import number, percent, rate

_BATCHES = 4
_GAIN, _COARSE = 0.05, 0.2
"""A change of a held-out metric below the first is none; one that is not sure at the second shows nothing."""

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
        margin = 2 * math.sqrt(2) * _error(history, key, points[-1])
        falls = all(p.value < best.value - max(margin, _GAIN) for p in last)
        stays = (
            len(points) >= _STAYS
            and points[-1].step >= _STAYS_STEPS
            and key.endswith("accuracy")
            and points[0].value < 0.9
            and margin < _COARSE
            and all(p.value - points[0].value <= min(margin, _GAIN) for p in points[1:])
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
            (
                f"evaluation.best.metric={key} evaluation.early_stopping.metric={key}",
                f"training.beta={number(3 * facts.beta or 0.04)}",
                *facts.adding("exact_match"),
            ),
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
            facts,
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
        yield _wins("constant", "one and the same text wins, whatever was asked", evidence, facts)
        return
    yield Finding(
        "degenerate",
        ERROR,
        "nearly all completions are the same text, whatever was asked",
        evidence,
        "The policy has collapsed onto one answer: updates were too large, or a reward paid for it earlier on.",
        (f"training.learning_rate={rate(facts.learning_rate / 10)}", "training.warmup_steps=10", "training.beta=0.04"),
        about="constant",
    )


def _wins(about: str, symptom: str, evidence: str, facts: Facts) -> Finding:
    return Finding(
        "degenerate",
        ERROR,
        symptom,
        evidence,
        "The reward pays for saying nothing in particular: it counts what is missing or is fooled by what is always "
        "there. Mend the reward (grpo-reward try shows what wins), or gate it by one for the right answer.",
        (*_gated(facts), f"training.beta={number(3 * facts.beta or 0.04)}"),
        about=about,
    )


def _gated(facts: Facts) -> tuple[str, ...]:
    """The override that lets the run's heaviest reward count only where the answer is right."""
    heaviest = max(facts.weights, key=lambda name: facts.weights[name], default="exact_match")
    if heaviest == "exact_match":
        return ()
    gate = f"reward.{heaviest}.gate=exact_match"
    return facts.adding("exact_match", gate) or (gate,)


def _error(history: History, key: str, point: Point) -> float:
    """The standard error of a held-out metric: out of its 95 % interval, else by the number of its samples."""
    record: Mapping[str, Any] = next((r for r in reversed(history.evals) if r.get("step") == point.step), {})
    low, high = finite(record.get(f"{key}_low")), finite(record.get(f"{key}_high"))
    if low is not None and high is not None and high > low:
        return (high - low) / 3.92
    counted = record.get(f"{key.rpartition('/')[0]}/samples") or record.get("eval/samples")
    share = min(max(point.value, 0.02), 0.98)
    return math.sqrt(share * (1 - share) / (finite(counted) or 64.0))


def _mean(parts: Sequence[tuple[float | None, int]]) -> float | None:
    """A mean of means, each over so many."""
    known = [(value, count) for value, count in parts if value is not None and count]
    count = sum(c for _, c in known)
    return sum(v * c for v, c in known) / count if count else None
