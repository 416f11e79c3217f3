"""Which charts a run has, in the order of the questions one asks: is it learning, is it healthy, what does it write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from grpo_cli.report import held_out
from grpo_cli.report.charts import Chart, Draft, recoloured
from grpo_cli.report.formats import COUNT, PERCENT, SCIENTIFIC, SECONDS, capital
from grpo_cli.report.read import Record, Run, names, series
from grpo_cli.runs.metrics import number

MOST_TAGS = 8


@dataclass(frozen=True)
class Section:
    """Charts that answer one question."""

    title: str
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Wanted:
    """A chart of the training logs: (curve's name, metric) pairs, the first of which stands for it in comparisons."""

    key: str
    title: str
    curves: Sequence[tuple[str, str]]
    meaning: str
    kind: str = "number"
    whole: bool = False
    unit: str = ""


HEALTH = (
    Wanted(
        *("zero-variance", "Groups without a signal", [("share of groups", "frac_reward_zero_std")]),
        "Groups whose completions all got the same reward: they teach nothing.",
        PERCENT,
        True,
    ),
    Wanted(
        *("entropy", "Entropy", [("entropy", "entropy")]),
        "How undecided the policy is. Near 0 it no longer explores.",
        unit="nats per token",
    ),
    Wanted(
        *("kl", "KL to the reference model", [("KL", "kl")]),
        "How far the policy has moved from the reference model. Jumps are a bad sign.",
        unit="nats per token",
    ),
    Wanted(
        "clip-ratio",
        "Clipped importance ratios",
        [("all", "clip_ratio/region_mean"), ("low", "clip_ratio/low_mean"), ("high", "clip_ratio/high_mean")],
        "Share of tokens whose update was clipped. 0 with one update per generation.",
        PERCENT,
    ),
    Wanted(
        *("grad-norm", "Gradient norm", [("gradient norm", "grad_norm")]),
        "Before clipping. A sudden rise comes before a collapse.",
    ),
    Wanted(*("learning-rate", "Learning rate", [("learning rate", "learning_rate")]), "As scheduled.", SCIENTIFIC),
    Wanted(*("loss", "Loss", [("loss", "loss")]), "Near 0 is normal on-policy: it does not say how well it learns."),
)


def sections(run: Run) -> list[Section]:
    """The charts of one run by question; charts without data are left out."""
    grouped = [
        ("Is it learning?", [*_held_out(run), _rewards(run)]),
        ("Is training healthy?", [*(_training(run, w) for w in HEALTH), _reward_failures(run)]),
        ("What does it write?", [_lengths(run), _truncated(run)]),
        ("How fast is it?", [_throughput(run), _step_time(run)]),
    ]
    found = [Section(title, [c for c in charts if c is not None]) for title, charts in grouped]
    return [section for section in found if section.charts]


def compared(runs: Sequence[tuple[str, Run]]) -> list[Section]:
    """The charts of several runs laid over each other, a run having the same colour in all of them.

    Args:
        runs: (name, run).
    """
    colours = {name: i for i, (name, _) in enumerate(runs)}

    def over(key: str, title: str, points: Callable[[Run], Iterable[Any]], **how: Any) -> Chart | None:
        draft = Draft(key, title, **how)
        for name, run in runs:
            draft.add(name, points(run))
        chart = draft.chart()
        return recoloured(chart, colours) if chart else None

    metrics = {m.key: m for _, run in runs for m in held_out.metrics_of(run.evals) if not m.tag}
    wanted = [m for m in metrics.values() if m.name in ("accuracy", "reward") or m.name.startswith("pass@")]
    learning = [
        over(
            f"held-out-{_slug(m.key)}",
            capital(m.title),
            partial(_measured, m.key),
            kind=m.kind,
            whole=m.kind == PERCENT,
        )
        for m in wanted
    ]
    learning.append(over("reward", "Training reward", partial(_logged, "reward")))
    healthy = [
        over(
            w.key,
            w.title,
            partial(_logged, w.curves[0][1]),
            kind=w.kind,
            meaning=w.meaning,
            whole=w.whole,
            unit=w.unit,
        )
        for w in HEALTH
    ]
    rest = [
        over("length", "Completion length", partial(_logged, "completions/mean_length"), unit="tokens"),
        over(
            "throughput",
            "Throughput",
            lambda run: throughput(run.train),
            kind=COUNT,
            meaning=THROUGHPUT,
            unit="tokens/s",
        ),
    ]
    grouped = [("Is it learning?", learning), ("Is training healthy?", healthy), ("Length and speed", rest)]
    found = [Section(title, [c for c in charts if c is not None]) for title, charts in grouped]
    return [section for section in found if section.charts]


def _measured(key: str, run: Run) -> list[Any]:
    return held_out.points(run.evals, key)


def _logged(key: str, run: Run) -> list[Any]:
    return series(run.train, key)


def _held_out(run: Run) -> list[Chart | None]:
    """The metric the run is judged by, for every data set; then what else was measured of being right; then tags."""
    metrics = held_out.metrics_of(run.evals)
    chosen = held_out.primary(run.evals, None)
    if chosen is None:
        return []

    def draft(key: str, title: str, kind: str, meaning: str = "") -> Draft:
        return Draft(key, title, kind, meaning, whole=kind == PERCENT)

    def fill(chart: Draft, label: str, metric: held_out.Metric) -> None:
        chart.add(label, held_out.points(run.evals, metric.key))

    same = [m for m in metrics if m.name == chosen.name and not m.tag]
    has_band = any(p[2] is not None for m in same for p in held_out.points(run.evals, m.key))
    title = capital(chosen.title) if len(same) == 1 else capital(chosen.name.replace("_", " ")) + " on held-out data"
    main = draft("held-out", title, chosen.kind, "The band is the 95 % interval." if has_band else "")
    for metric in same:
        fill(main, "held-out" if metric.dataset == held_out.HELD_OUT else metric.dataset, metric)
    charts: list[Chart | None] = [main.chart()]
    estimates = [m for m in metrics if "@" in m.name and m.name != chosen.name and not m.tag]
    for dataset in dict.fromkeys(m.dataset for m in estimates):
        where = "held-out" if dataset == held_out.HELD_OUT else dataset
        chart = draft(f"samples-{_slug(dataset)}", f"Several samples, {where}", PERCENT, SAMPLES)
        for metric in (m for m in estimates if m.dataset == dataset):
            fill(chart, metric.name, metric)
        charts.append(chart.chart())
    tags = [m for m in metrics if m.tag and m.name == chosen.name]
    for dataset, column in dict.fromkeys((m.dataset, m.tag.split("=")[0]) for m in tags):
        chart = draft(f"by-{_slug(dataset)}-{_slug(column)}", f"{capital(chosen.name)} by {column}", chosen.kind)
        inside = [m for m in tags if m.dataset == dataset and m.tag.startswith(f"{column}=")]
        for metric in inside[:MOST_TAGS]:
            fill(chart, metric.tag.split("=", 1)[1], metric)
        charts.append(chart.chart())
    return charts


def _rewards(run: Run) -> Chart | None:
    """Each reward function's mean, and the weighted sum where it is not one of them."""
    functions = [k for k in names(run.train) if k.startswith("rewards/") and k.endswith("/mean")]
    draft = Draft("reward", "Training reward", meaning="Means of each log. Not evidence of learning by itself.")
    total = series(run.train, "reward")
    if len(functions) != 1 or series(run.train, functions[0]) != total:
        draft.add("weighted sum", total)
    for key in functions:
        draft.add(key.removeprefix("rewards/").removesuffix("/mean"), series(run.train, key))
    return draft.chart()


def _training(run: Run, wanted: Wanted) -> Chart | None:
    draft = Draft(wanted.key, wanted.title, wanted.kind, wanted.meaning, wanted.whole, wanted.unit)
    curves = [(name, series(run.train, metric)) for name, metric in wanted.curves]
    if len(curves) > 1 and all(value == 0 for _, points in curves for _, value in points):
        curves = curves[:1]  # nothing was clipped: one flat line says so
    for name, points in curves:
        draft.add(name, points)
    return draft.chart()


def _reward_failures(run: Run) -> Chart | None:
    """Shares of completions whose reward timed out or raised; only where it happened."""
    draft = Draft("reward-failures", "Reward failures", PERCENT, "Share of completions a reward failed on.")
    for what in ("timeouts", "errors"):
        for key in (k for k in names(run.train) if k.startswith("rewards/") and k.endswith(f"/{what}")):
            points = series(run.train, key)
            if any(value for _, value in points):
                draft.add(f"{key.split('/')[1]}: {what}", points)
    return draft.chart()


def _lengths(run: Run) -> Chart | None:
    draft = Draft("length", "Completion length", meaning=LENGTH, unit="tokens")
    draft.add("training", _with_range(run.train, "completions/mean_length", "completions/{}_length"))
    for metric in held_out.metrics_of(run.evals):
        if metric.name == "completion_length" and not metric.tag:
            name = "held-out" if metric.dataset == held_out.HELD_OUT else metric.dataset
            draft.add(name, held_out.points(run.evals, metric.key))
    return draft.chart()


def _with_range(records: Sequence[Record], key: str, bounds: str) -> list[tuple[float | None, ...]]:
    return [
        (
            record["step"],
            number(record, key),
            number(record, bounds.format("min")),
            number(record, bounds.format("max")),
        )
        for record in records
    ]


def _truncated(run: Run) -> Chart | None:
    meaning = "Share cut at the longest length allowed: a right answer that is cut counts as wrong."
    draft = Draft("truncated", "Truncated completions", PERCENT, meaning, whole=True)
    draft.add("training", series(run.train, "completions/clipped_ratio"))
    for metric in held_out.metrics_of(run.evals):
        if metric.name == "truncated" and not metric.tag:
            name = "held-out" if metric.dataset == held_out.HELD_OUT else metric.dataset
            draft.add(name, held_out.points(run.evals, metric.key))
    return draft.chart()


def _throughput(run: Run) -> Chart | None:
    draft = Draft("throughput", "Throughput", COUNT, THROUGHPUT, unit="tokens/s")
    return draft.add("tokens per second", throughput(run.train)).chart()


def _step_time(run: Run) -> Chart | None:
    draft = Draft("step-time", "Time per step", SECONDS, "Generation, rewards and update of one optimizer step.")
    return draft.add("step time", series(run.train, "step_time")).chart()


def throughput(train: Sequence[Record]) -> list[tuple[int, float]]:
    """Tokens (prompt and completion, all ranks) per second of stepping, between one training log and the next.

    The time is TRL's `step_time`, the mean over the log's steps, so that an evaluation in between costs nothing.
    """
    found = []
    for before, after in pairwise([{"step": 0, "num_tokens": 0.0}, *train]):
        seconds = number(after, "step_time")
        tokens = (number(after, "num_tokens") or 0.0) - (number(before, "num_tokens") or 0.0)
        steps = after["step"] - before["step"]
        if seconds and seconds > 0 and steps > 0 and tokens > 0:
            found.append((int(after["step"]), tokens / (steps * seconds)))
    return found


def _slug(text: str) -> str:
    """A name that is safe in a file name."""
    return "-".join("".join(c if c.isalnum() and c.isascii() else " " for c in text).split()) or "x"


LENGTH = "Mean; the band goes from the shortest to the longest."
SAMPLES = "pass@k: one of k samples is right; maj@k: their majority is."
THROUGHPUT = "Prompts included, while training."
