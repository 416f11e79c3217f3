"""Reading a trial: means, shares, places and times, as the findings need them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from grpo_cli.rewards.reward import Reward
from grpo_cli.trial.trial import Probed, Trial

EPSILON = 1e-9


def looks_at_gold(trial: Trial, reward: Reward) -> bool:
    """Whether a reward depends on the right answer: it says so, takes the column, or scores so."""
    name, column = reward.__name__, trial.rows.answer_column
    if not trial.golds or (not reward.correctness and column in trial.entries[name]):
        return False
    if reward.correctness or column in reward.signature.accepts:
        return True
    # A function of **kwargs may read any column: it does where right beats wrong in every row, and not by chance.
    right, other = trial.gold, trial.find("wrong answer")
    if not (reward.signature.open and right and other):
        return False
    wrong = other.by_row(name)
    pairs = [(value, wrong[row]) for row, value in right.by_row(name).items() if row in wrong]
    return bool(pairs) and all(above(*pair) for pair in pairs)


def latency(trial: Trial, name: str) -> tuple[float, float, float]:
    """Mean, median and 99th percentile of a reward's seconds for one completion."""
    seconds = sorted(seconds_of(trial, name))
    return (
        statistics.fmean(seconds),
        statistics.median(seconds),
        seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)],
    )


def seconds_of(trial: Trial, name: str) -> list[float]:
    """The seconds of every call of a reward."""
    return [s for p in trial.all for s in p.scores[name].seconds]


def results(probed: Probed, name: str) -> list[tuple[float | None, str | None]]:
    """A reward's values, each with its error."""
    return list(zip(probed.scores[name].values, probed.scores[name].errors, strict=True))


def best_gold(trial: Trial, name: str) -> Probed | None:
    """The right answer in the form that this reward likes best (the others may like another)."""
    whole = [p for p in trial.golds if p.mean(name) is not None]
    return max(whole, key=lambda p: p.mean(name) or 0.0) if whole else trial.gold


def lowest(trial: Trial, name: str) -> float:
    """The least that a reward gave to anything."""
    return min((v for p in trial.all for v in p.values(name) if v is not None), default=0.0)


def is_constant(trial: Trial, name: str) -> bool:
    """Whether a reward gave the same to everything (or nothing at all)."""
    values = [v for p in trial.all for v in p.values(name) if v is not None]
    return not values or max(values) - min(values) < EPSILON


def only_takes(trial: Trial, name: str) -> bool:
    """Whether a reward only takes."""
    return all(v <= 0 for p in trial.all for v in p.values(name) if v is not None)


def above(left: float | None, right: float | None) -> bool:
    """Whether one mean is above another; False where either is missing."""
    return left is not None and right is not None and left > right + EPSILON


def special_tokens(trial: Trial) -> set[str]:
    """The tokens that TRL leaves out when it turns a completion into text."""
    return set(getattr(trial.rows.tokenizer, "all_special_tokens", ()) or ())


def percent(part: int, whole: int) -> str:
    """A share in whole per cent."""
    return f"{part / whole:.0%}" if part == whole or part / whole >= 0.01 else "under 1%"


def place(trial: Trial, probed: Probed, index: int, *, probe: bool = False, answer: bool = False) -> str:
    """Where a completion stands: its row of the data and what is asked there, or its line in the user's file.

    Args:
        trial: the trial.
        probed: the probe.
        index: the completion among those of the probe.
        probe: whether to name the probe.
        answer: whether to show the right answer.
    """
    if probed.lines:
        return f"line {probed.lines[index]} of your file"
    row = probed.rows[index]
    asked = " ".join(trial.rows.prompt_text(row).split())
    asked = asked if len(asked) <= 40 else asked[:39] + "…"
    gold = f", answer {str(trial.rows.gold(row))[:40]!r}" if answer else ""
    return f"{probed.name + ', ' if probe else ''}row {trial.rows.numbers[row]}, {asked!r}{gold}"


def as_subject(probe: str) -> str:
    """A probe as the subject of a sentence."""
    names = {
        "empty": "an empty completion",
        "blanks": "a completion of blanks",
        "wrong answer": "a wrong answer",
        "form without content": "the form without content",
        "gold only in <think>": "an answer that stands only inside <think>",
        "<think> not closed": "an answer in a <think> that is never closed",
        "guesses in one answer": "a list of guesses in one answer",
        "guesses in turn": "several answers with the right one among them",
        "prompt echoed": "the prompt echoed",
        "very long": "a very long completion without an answer",
        "word to the judge": "a word to the judge",
        "odd characters": "a row of odd characters",
    }
    return names.get(probe, probe)


def form_of(name: str) -> str:
    """The form in the name of a gold probe."""
    return name.removeprefix("gold").lstrip(", ")


def either(names: Sequence[str]) -> str:
    """Words with commas and an `or`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
