"""What a trial found out, in words: each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.rewards.combine import Combiner
from grpo_cli.trial.reading import EPSILON, as_subject, looks_at_gold, percent
from grpo_cli.trial.rules import ERROR, NOTE, RULES, SLY, WARNING, Finding
from grpo_cli.trial.trial import YOURS, Trial

# A reward that moves the sum so many times as much as another leaves that one nothing to say.
_DROWNED = 20.0


def find(trial: Trial) -> list[Finding]:
    """All findings of a trial, the gravest first."""
    found: list[Finding] = []
    for reward in trial.rewards:
        found += [f for rule in RULES for f in rule(trial, reward)]
    found += _sum(trial, {f.text for f in found})
    found += _yours(trial)
    found += _notes(trial)
    return sorted(found, key=lambda f: (ERROR, WARNING, NOTE).index(f.severity))


def _sum(trial: Trial, told: set[str]) -> Iterator[Finding]:
    """What holds for the sum that GRPO maximises and for no reward alone."""
    gold = trial.gold
    right = gold.mean(None) if gold else None
    if right is not None and len(trial.rewards) > 1 and any(looks_at_gold(trial, r) for r in trial.rewards):
        for probe in SLY:
            probed = trial.find(probe)
            total = probed.mean(None) if probed else None
            if total is not None and total >= right - EPSILON and not any(as_subject(probe) in t for t in told):
                yield Finding(
                    ERROR,
                    None,
                    f"{as_subject(probe)} gets {total:.3g} in all, the right answer {right:.3g}",
                    "lower the weight of what pays it, or gate it: reward.<name>.gate=<the reward that must hold>",
                )
    yield from _drowned(trial)


def _drowned(trial: Trial) -> Iterator[Finding]:
    """A reward so large that another has no say beside it."""
    moves = {name: move for name in trial.entries if (move := _move(trial, name)) > EPSILON}
    if not moves:
        return
    most, least = max(moves, key=moves.__getitem__), min(moves, key=moves.__getitem__)
    if moves[most] > _DROWNED * moves[least]:
        yield Finding(
            WARNING,
            most,
            f"drowns {least}: it moves the sum by up to {moves[most]:.3g}, {least} by {moves[least]:.3g}",
            f"bring them to one size: reward.{most}.weight, reward.{most}.clip or reward.{most}.normalize=running",
        )


def _move(trial: Trial, name: str) -> float:
    """By how much a reward moves the sum, from the 5th to the 95th percentile: one odd probe must not decide it."""
    combiner = Combiner({name: {**trial.entries[name], "gate": None}})
    rows = [[v] for probed in trial.all for v in probed.values(name) if v is not None]
    values = sorted(v for (v,) in combiner.apply(rows, names=[name], training=False))
    return (
        abs(combiner.weights(0)[0]) * (values[len(values) * 95 // 100] - values[len(values) * 5 // 100])
        if values
        else 0.0
    )


def _yours(trial: Trial) -> Iterator[Finding]:
    """What the completions of the user's file would teach: differences inside a group, or nothing."""
    yours = trial.find(YOURS)
    if yours is None:
        return
    groups: dict[int, list[float]] = {}
    for row, total in zip(yours.rows, yours.totals, strict=True):
        if total is not None:
            groups.setdefault(row, []).append(total)
    sized = [totals for totals in groups.values() if len(totals) > 1]
    alike = [totals for totals in sized if max(totals) - min(totals) < EPSILON]
    if alike:
        share = percent(len(alike), len(sized))
        yield Finding(
            WARNING if len(alike) * 2 > len(sized) else NOTE,
            None,
            f"in {share} of the {len(sized)} groups of your completions all score alike, so they teach nothing",
            "choose prompts that are neither too hard nor too easy, or a reward that tells more of them apart",
        )


def _notes(trial: Trial) -> Iterator[Finding]:
    if not trial.golds:
        yield Finding(NOTE, None, "the data have no column with right answers, so no probe says one")
    elif not any(looks_at_gold(trial, reward) for reward in trial.rewards):
        yield Finding(
            NOTE, None, "no reward compares with the data's answer: a wrong completion may score like a right one"
        )
    if not any(looks_at_gold(trial, reward) for reward in trial.rewards):
        paid = {p.name: total for p in trial.all if p.name != YOURS and (total := p.mean(None)) is not None}
        if paid and max(paid.values()) > min(paid.values()) + EPSILON:
            best = max(paid, key=paid.__getitem__)
            yield Finding(
                NOTE, None, f"of all probes {best!r} pays best, {paid[best]:.3g}: that is where training leads"
            )
