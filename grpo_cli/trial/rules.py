"""The rules that judge each reward of a trial."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grpo_cli.rewards.reward import Reward
from grpo_cli.trial.reading import (
    EPSILON,
    above,
    as_subject,
    best_gold,
    either,
    form_of,
    is_constant,
    latency,
    looks_at_gold,
    lowest,
    only_takes,
    percent,
    place,
    results,
    seconds_of,
    special_tokens,
)
from grpo_cli.trial.trial import YOURS, Probed, Trial, gold_name

ERROR, WARNING, NOTE = "error", "warning", "note"
# Above these a batch's rewards hold training up noticeably, or badly.
_SLOW_SECONDS, _SLOW_BATCH = 1.0, 10.0

# Probes that must not score like a right answer, and what to do where they do.
SLY: dict[str, tuple[str, str]] = {
    "wrong answer": (ERROR, "make the comparison stricter: anything of the right look counts as right"),
    "another row's answer": (ERROR, "make the comparison stricter: the data's answer is not looked at"),
    "empty": (ERROR, "have the reward give its lowest value, or None, to an empty completion"),
    "blanks": (ERROR, "have the reward strip the completion, and give blanks its lowest value"),
    "form without content": (WARNING, "ask for something inside the tags"),
    "gold only in <think>": (WARNING, "look at the text after </think> only (grpo_cli.rewards.extract.finished_text)"),
    "<think> not closed": (WARNING, "give a completion whose thinking was never closed no answer"),
    "guesses in one answer": (WARNING, "compare the whole answer, not whether the right one occurs in it"),
    "guesses in turn": (WARNING, "look at one answer only, the last, or ask for exactly one"),
    "prompt echoed": (WARNING, "take the answer from one place: reward.{name}.extract=answer_tag or the like"),
    "very long": (WARNING, "bound it: a length that is too long must not pay"),
    "word to the judge": (WARNING, "tell the judge to take the completion as text, and check a sample of its scores"),
    "odd characters": (WARNING, "normalise the text before comparing"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: `error` (training would fail or learn the wrong thing), `warning` (it can be had too cheaply, or
            costs too much) or `note` (worth knowing; no reason to change anything).
        reward: the reward it is about; None for their sum.
        text: what was found.
        advice: what to do.
    """

    severity: str
    reward: str | None
    text: str
    advice: str = ""


def _failures(trial: Trial, reward: Reward) -> Iterator[Finding]:
    name = reward.__name__
    failed = [(p, i, e) for p in trial.all for i, e in enumerate(p.scores[name].errors) if e is not None]
    if failed:
        probed, index, error = failed[0]
        first = place(trial, probed, index, probe=True)
        count = sum(len(p.rows) for p in trial.all)
        yield Finding(
            ERROR,
            name,
            f"fails on {len(failed)} of {count} completions: {error} (first: {first})",
            f"mend it; what it cannot judge should get None; or see reward.{name}.on_error",
        )


def _absent(trial: Trial, reward: Reward) -> Iterator[Finding]:
    """None, where it is not the failures' doing."""
    name = reward.__name__
    if all(v is None and e is None for p in trial.all for v, e in results(p, name)):
        yield Finding(ERROR, name, "gives None to every probe", "see what it needs of the data; it takes no part")
        return
    gold = best_gold(trial, name)
    if gold is None:
        return
    none = [i for i, (v, e) in enumerate(results(gold, name)) if v is None and e is None]
    if none:
        share, first = percent(len(none), len(gold.rows)), place(trial, gold, none[0])
        yield Finding(
            WARNING if len(none) * 2 < len(gold.rows) else ERROR,
            name,
            f"gives None to the right answer of {share} of the rows (first: {first})",
            "these rows teach nothing: see whether their answers are what the reward expects, or drop them",
        )


def _constant(trial: Trial, reward: Reward) -> Iterator[Finding]:
    name = reward.__name__
    values = [v for p in trial.all for v in p.values(name) if v is not None]
    if values and max(values) - min(values) < EPSILON:
        why = "the data have no answer column" if not trial.golds else "whatever the completion says"
        yield Finding(
            ERROR,
            name,
            f"is constant, {values[0]:g} for all {len(values)} completions tried ({why}): the advantage will be zero",
            f"see that it looks where these data and completions have something, or leave it out: ~reward.{name}",
        )


def _gold(trial: Trial, reward: Reward) -> Iterator[Finding]:
    """Right answers that do not score."""
    name = reward.__name__
    gold = best_gold(trial, name)
    if gold is None or not looks_at_gold(trial, reward) or is_constant(trial, name):
        return
    low, top = lowest(trial, name), max(v for p in trial.all for v in p.values(name) if v is not None)
    # A reward may well be a distance, with 0 as its best.
    missed = [
        i
        for i, v in enumerate(gold.values(name))
        if v is not None and (v <= low + EPSILON or v <= EPSILON < top - EPSILON)
    ]
    if missed:
        share = percent(len(missed), len(gold.rows))
        first = place(trial, gold, missed[0], answer=True)
        value = gold.values(name)[missed[0]]
        yield Finding(
            ERROR if len(missed) * 2 >= len(gold.rows) else WARNING,
            name,
            f"the right answer scores {value:g} in {share} of the rows (first: {first})",
            "see that the answer column holds what the reward expects (dataset.answer_pattern cuts an answer out)",
        )
    half = (low + (gold.mean(name) or 0.0)) / 2
    scoring = {p.name: above(p.mean(name), half) for p in trial.golds}
    if not all(scoring.values()) and any(scoring.values()):
        yes, no = ([form_of(n) for n, s in scoring.items() if s is wanted] for wanted in (True, False))
        yield Finding(
            NOTE,
            name,
            f"finds the right answer {either(yes)}, not {either(no)}",
            "say so in the prompt: dataset.system_prompt",
        )


def _sly(trial: Trial, reward: Reward) -> Iterator[Finding]:
    """Completions that should not score like a right answer, and do."""
    name, gold = reward.__name__, trial.gold
    if gold is None or not looks_at_gold(trial, reward) or is_constant(trial, name):
        return
    low, right = lowest(trial, name), gold.by_row(name)
    for probe, (severity, advice) in SLY.items():
        probed = trial.find(probe)
        if probed is None:
            continue
        like = [
            i
            for i, (row, value) in enumerate(zip(probed.rows, probed.values(name), strict=True))
            if value is not None and right.get(row, low) > low + EPSILON and value >= right[row] - EPSILON
        ]
        if like:
            share, value = percent(len(like), len(probed.rows)), probed.values(name)[like[0]]
            yield Finding(
                severity,
                name,
                f"{as_subject(probe)} scores {value:g}, like the right answer, in {share} of the rows "
                f"(first: {place(trial, probed, like[0])})",
                advice.format(name=name),
            )


def _nothing_pays(trial: Trial, reward: Reward) -> Iterator[Finding]:
    """Rewards of form or taste that give nothing their best."""
    name = reward.__name__
    if looks_at_gold(trial, reward) or is_constant(trial, name):
        return
    takes = only_takes(trial, name)
    best = max(v for p in trial.all if p.name != YOURS for v in p.values(name) if v is not None)
    for probe in ("empty",) if takes else ("empty", "blanks", "form without content", "word to the judge"):
        probed = trial.find(probe)
        value = probed.mean(name) if probed else None
        if probed is None or value is None or value < best - EPSILON or _is_its_way(trial, reward, probe, value):
            continue
        said = f"{as_subject(probe)} scores {value:g}, the best there is"
        if _outweighed(trial, probed):
            yield Finding(NOTE, name, f"{said}; a right answer still gets more in all")
        elif takes and len(trial.rewards) > 1:
            yield Finding(NOTE, name, f"{said}: it only takes, and others give")
        else:
            advice = "put a reward beside it that gives something" if takes else SLY[probe][1]
            yield Finding(ERROR if probe in ("empty", "blanks") else WARNING, name, said, advice)


def _is_its_way(trial: Trial, reward: Reward, probe: str, value: float) -> bool:
    """Whether a probe's score says nothing: a reward of groups asks for no form, one of form reads no message."""
    if probe == "form without content":
        return not reward.signature.completion
    wrong = trial.find("wrong answer")
    return probe == "word to the judge" and not (wrong and above(value, wrong.mean(reward.__name__)))


def _outweighed(trial: Trial, probed: Probed) -> bool:
    """Whether a right answer gets more from all rewards together."""
    right = trial.gold.mean(None) if trial.gold else None
    return any(looks_at_gold(trial, reward) for reward in trial.rewards) and above(right, probed.mean(None))


def _template(trial: Trial, reward: Reward) -> Iterator[Finding]:
    """Forms that the chat template or the tokenizer keeps out of reach."""
    name = reward.__name__
    again, thought = trial.find("<think> written again"), trial.find(gold_name("thought, in <answer>"))
    if again and thought and above(again.mean(name), thought.mean(name)):
        yield Finding(
            ERROR,
            name,
            "its form cannot be had with this chat template, which puts <think> into the prompt: a completion has only "
            f"</think>, and scores {thought.mean(name):g} instead of {again.mean(name):g}",
            "have the reward take prompt_opens_think, or set model.chat_template to one without <think>",
        )
    special = [tag for tag in ("<think>", "</think>", "<answer>", "</answer>") if tag in special_tokens(trial)]
    if special and thought and reward.weight and (thought.mean(name) or 0.0) > lowest(trial, name) + EPSILON:
        yield Finding(
            WARNING,
            name,
            f"{', '.join(special)} are special tokens of this tokenizer: TRL leaves them out of completions' text",
            "use tags that are plain text, or another tokenizer (model.tokenizer)",
        )


def _time(trial: Trial, reward: Reward) -> Iterator[Finding]:
    name = reward.__name__
    _, median, p99 = latency(trial, name)
    limit = float(trial.entries[name].get("timeout") or 10.0)
    workers = trial.generation_batch if reward.is_async else trial.workers
    batch = max(p99, statistics.fmean(seconds_of(trial, name)) * trial.generation_batch / max(workers, 1))
    if p99 < min(limit, _SLOW_SECONDS) and batch < _SLOW_BATCH:
        return
    at_once = "all at once" if reward.is_async else f"with {workers} worker{'s' * (workers > 1)}"
    yield Finding(
        ERROR if p99 >= limit else WARNING if batch >= _SLOW_BATCH else NOTE,
        name,
        f"is slow: half of the completions take {median:.2g} s, the slowest hundredth {p99:.2g} s; a batch of "
        f"{trial.generation_batch} would take about {batch:.2g} s {at_once}",
        f"make it quicker, give it more processes (guard.workers), or limit it: reward.{name}.timeout={limit:g}",
    )


RULES: tuple[Callable[[Trial, Reward], Iterator[Finding]], ...] = (
    *(_failures, _absent, _constant, _gold, _sly, _nothing_pays, _template, _time),
)
