"""The verdict on a run in words: did it learn, by held-out evidence; what the training reward did; why it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, variance

from grpo_cli.report import held_out
from grpo_cli.report.formats import NUMBER, THIN, capital, change, duration, show
from grpo_cli.report.held_out import Gain
from grpo_cli.report.read import Run, series
from grpo_cli.runs.metrics import number
from grpo_cli.runs.objectives import MAXIMIZE, Objective, objectives_in, objectives_of

GOOD, BAD, WARNING, NEUTRAL = "good", "bad", "warning", "neutral"
FEWEST_LOGS = 6
"""With fewer training logs nothing is said about a trend."""


@dataclass(frozen=True)
class Fact:
    """One number to see first: `Held-out accuracy`, `100 %`, `from 5.1 %, +94.9 points`."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Trend:
    """How the training reward moved: the mean of the first and of the last fifth of its logs.

    Attributes:
        first, last: the means.
        direction: 1 rising, -1 falling, 0 where the difference is within twice its standard error.
    """

    first: float
    last: float
    direction: int


@dataclass
class Summary:
    """What to say of a run first.

    Attributes:
        level: good, bad, warning or neutral.
        headline: the verdict, one sentence.
        sentences: what belongs to it.
        facts: the numbers.
        gain: the change of the held-out metric it is judged by.
    """

    level: str
    headline: str
    sentences: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    gain: Gain | None = None


def summarise(run: Run) -> Summary:
    """Judge a run by what it recorded.

    Args:
        run: the run.

    Returns:
        The verdict. It is "good" or "bad" only where a held-out evaluation says so.
    """
    objectives = _objectives(run)
    metric = held_out.primary(run.evals, objectives[0].name if objectives else None)
    # What is judged by a loss gets better as it falls; accuracy and the like never do.
    direction = next((o.direction for o in objectives if metric and metric.key == o.name), MAXIMIZE)
    gain = held_out.gain(run.evals, metric, direction) if metric else None
    trend = reward_trend(run)
    level, headline = _verdict(run, gain, direction)
    sentences = [] if gain is None else [_by_how_much(gain)]
    if hacked(gain, trend, direction):
        level = BAD
        sentences.append(
            "The training reward rose while the held-out metric did not: look at the completions for what earns "
            "reward without being right."
        )
    if trend is not None:
        sentences.append(_trend_sentence(trend))
    if gain is not None and gain.best_step != gain.last_step and gain.best != gain.last:
        sentences.append(
            f"It was best after step {gain.best_step:,}: {show(gain.best, gain.metric.kind)}, "
            f"{change(gain.last - gain.best, gain.metric.kind)} since."
        )
    kept = run.result.get("best")
    if isinstance(kept, dict) and kept.get("step") is not None:
        sentences.append(f"model/ is the one of step {number(kept, 'step') or 0:,.0f}.")
    sentences.append(ended(run))
    if run.failures:
        sentences.append(f"Rewards failed on {run.failures:,} completion{'s' * (run.failures != 1)}.")
    return Summary(level, headline, sentences, facts(run, gain, trend), gain)


def hacked(gain: Gain | None, trend: Trend | None, direction: str = "maximize") -> bool:
    """Whether the training reward rises without the held-out metric: the sign of a reward that is being gamed."""
    if gain is None or trend is None or trend.direction <= 0:
        return False
    lower = gain.low if direction == "maximize" else None if gain.high is None else -gain.high
    return lower <= 0 if lower is not None else gain.value * (-1 if direction == "minimize" else 1) <= 0


def reward_trend(run: Run) -> Trend | None:
    """How the training reward moved over the run; None where too little was logged."""
    values = [value for _, value in series(run.train, "reward") if math.isfinite(value)]
    if len(values) < FEWEST_LOGS:
        return None
    size = max(3, len(values) // 5)
    first, last = values[:size], values[-size:]
    difference = fmean(last) - fmean(first)
    error = math.sqrt((variance(first) + variance(last)) / size)
    return Trend(fmean(first), fmean(last), 0 if abs(difference) <= 2 * error else 1 if difference > 0 else -1)


def ended(run: Run) -> str:
    """Why the run stopped, in one sentence."""
    step, total = number(run.result, "step"), number(run.result, "max_steps")
    if step is None:
        step = max((int(r["step"]) for r in [*run.train, *run.evals]), default=None)
    after = "" if step is None else f" after step {step:,.0f}" + (f" of {total:,.0f}" if total and total > step else "")
    reason = run.result.get("stopped")
    why = f": {reason.get('why') or reason.get('reason') or reason}" if isinstance(reason, dict) else ""
    why = why or (f": {reason}" if reason else "")
    if run.status == "completed":
        return _sentence(f"The run ended early{after}{why}" if reason else f"The run completed{after or ' its steps'}")
    if run.status == "failed":
        error = str(run.result.get("error") or "no reason was recorded").strip().splitlines()[0]
        return _sentence(f"The run failed{after}: {error}")
    if run.status == "pruned":
        return _sentence(f"The run was pruned{after}{why}")
    if run.status == "interrupted":
        return _sentence(f"The run was interrupted{after}{why}")
    return _sentence(f"The run goes on{after}" if run.status == "running" else f"The run is {run.status}{after}")


def facts(run: Run, gain: Gain | None, trend: Trend | None) -> list[Fact]:
    """The numbers to see first."""
    found = []
    if gain is not None:
        kind = gain.metric.kind
        note = f"from {show(gain.first, kind)}"
        found.append(Fact(capital(gain.metric.title), show(gain.last, kind), note))
        value, _, points = change(gain.value, kind).partition(" ")
        note = f"{points} ({interval_words(gain).removesuffix(' points')})" if gain.low is not None else points
        found.append(Fact("Change", value, note.strip()))
    best = run.result.get("best")
    if isinstance(best, dict) and best.get("step") is not None:
        metric = held_out.parse(str(best.get("metric") or ""))
        kind = metric.kind if metric else NUMBER
        found.append(Fact("Best step", f"{number(best, 'step') or 0:,.0f}", show(number(best, "value"), kind)))
    elif gain is not None:
        found.append(Fact("Best step", f"{gain.best_step:,}", show(gain.best, gain.metric.kind)))
    if trend is not None:
        found.append(Fact("Training reward", show(trend.last), f"from {show(trend.first)}"))
    step, total = number(run.result, "step"), number(run.result, "max_steps")
    if step is not None:
        found.append(Fact("Steps", f"{step:,.0f}", f"of {total:,.0f}" if total else ""))
    seconds = number(run.result, "seconds")
    if seconds is not None:
        training = number(run.result.get("timings") or {}, "train_seconds")
        found.append(Fact("Time", duration(seconds), f"{duration(training)} training" if training else ""))
    return found


def interval_words(gain: Gain) -> str:
    """`+91.8 to +97.3 points`."""
    low, high = change(gain.low or 0.0, gain.metric.kind), change(gain.high or 0.0, gain.metric.kind)
    return f"{low.removesuffix(' points')} to {high}"


def _verdict(run: Run, gain: Gain | None, direction: str) -> tuple[str, str]:
    """The level and the headline; the numbers of the interval stand in the sentence after it."""
    if gain is None:
        return NEUTRAL, _no_evidence(run)
    kind, name = gain.metric.kind, capital(gain.metric.title)
    between = f"from {show(gain.first, kind)} to {show(gain.last, kind)}"
    if gain.low is None or gain.high is None:
        if not gain.value:
            return WARNING, f"{name} did not change: {show(gain.last, kind)}."
    elif gain.low <= 0 <= gain.high:
        return WARNING, f"No change of {gain.metric.title} that can be told from chance: {between}."
    better = (gain.value > 0) != (direction == "minimize")
    moved = f"{name} {'rose' if gain.value > 0 else 'fell'} {between}"
    if better and gain.lost and not run.result.get("best"):
        return WARNING, f"{moved}, after {show(gain.best, kind)} at step {gain.best_step:,}."
    return GOOD if better else BAD, f"{moved}."


def _by_how_much(gain: Gain) -> str:
    by = change(gain.value, gain.metric.kind)
    if gain.low is None or gain.high is None:
        return f"That is {by}; no interval was recorded."
    return f"That is {by}, with a 95{THIN}% interval of {interval_words(gain)}."


def _no_evidence(run: Run) -> str:
    if not run.train and not run.evals:
        return "Nothing has been measured yet."
    if not run.evals:
        return "There is no held-out evaluation, so there is no evidence for or against learning."
    if len(run.evals) == 1:
        return "There is one held-out evaluation, so there is no change to judge yet."
    return "The held-out evaluations share no metric, so there is no change to judge."


def _trend_sentence(trend: Trend) -> str:
    values = f"{show(trend.first)} to {show(trend.last)}"
    words = {1: f"rose from {values}", -1: f"fell from {values}", 0: f"shows no clear trend ({values})"}
    return f"The training reward {words[trend.direction]} (means of the first and last fifth of its logs)."


def _objectives(run: Run) -> list[Objective]:
    """What the run is judged by; the result says it, and before there is one the configuration."""
    return objectives_in(run.result) or (objectives_of(run.config) if run.config.get("objective") else [])


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
