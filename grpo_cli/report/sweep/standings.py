"""What a leaderboard says: each setting's place with its numbers, and the verdict in words, for page and terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from grpo_cli.report import held_out
from grpo_cli.report.formats import NUMBER, THIN, capital, change, show
from grpo_cli.report.summary import BAD, GOOD, NEUTRAL, WARNING
from grpo_cli.report.sweep.compare import ALPHA, NOTHING, PROMPTS, Comparer, Comparison, choose_baseline
from grpo_cli.report.sweep.groups import Group, group_trials, ranked
from grpo_cli.report.sweep.importance import Importance, importances
from grpo_cli.report.sweep.prompts import is_share
from grpo_cli.report.sweep.read import SweepRun, Trial
from grpo_cli.report.sweep.student import critical, mean_interval
from grpo_cli.report.sweep.variables import Variable, variables
from grpo_cli.runs.metrics import number
from grpo_cli.runs.result import COMPLETED, PRUNED, RUNNING

SEEDS, ONE_SEED = "seeds", "prompts of one seed"


@dataclass
class Standings:
    """The leaderboard of one sweep.

    Attributes:
        sweep: what was read.
        groups: the settings from the best mean on, unjudged ones last.
        baseline: what the others are compared with; None where nothing is judged.
        compared: setting's name → its difference to the baseline.
        to_best: setting's name → the best one's difference to it.
        importances: each varied key's share of the variance.
        variables: what was varied, the seed left out.
        front: numbers of the jobs on the Pareto front; empty with one objective.
    """

    sweep: SweepRun
    groups: list[Group]
    baseline: Group | None
    compared: dict[str, Comparison]
    to_best: dict[str, Comparison]
    importances: list[Importance]
    variables: list[Variable]
    front: list[int]

    @property
    def kind(self) -> str:
        """How values of the first objective are shown."""
        return kind_of(self.sweep.objectives[0])

    @property
    def title(self) -> str:
        """The first objective in words."""
        return title_of(self.sweep.objectives[0])

    @property
    def judged(self) -> list[Group]:
        """The settings with a judged job."""
        return [g for g in self.groups if g.values]

    @property
    def best_trial(self) -> Trial | None:
        """The best single job of the best setting."""
        return self.judged[0].best(self.sweep.minimize) if self.judged else None


def kind_of(objective: str) -> str:
    """How values of a metric are shown."""
    metric = held_out.parse(objective)
    return metric.kind if metric else NUMBER


def title_of(objective: str) -> str:
    """A metric in words."""
    metric = held_out.parse(objective)
    return metric.title if metric else objective


def standings(sweep: SweepRun, baseline: str | None = None) -> Standings:
    """Work a sweep's leaderboard out.

    Args:
        sweep: the sweep.
        baseline: a job's number or a setting's name.

    Raises:
        ConfigError: there is no such baseline.
    """
    from grpo_cli.runs.pareto import pareto_front

    groups = ranked(group_trials(sweep), sweep.minimize)
    chosen = choose_baseline(groups, baseline, sweep)
    comparer = Comparer(sweep, groups)
    done = [t for t in sweep.trials if t.status == COMPLETED]
    front: list[int] = []
    if len(sweep.objectives) > 1:
        front = [done[i].number for i in pareto_front([t.objectives for t in done], sweep.directions)]
    return Standings(
        sweep=sweep,
        groups=groups,
        baseline=chosen,
        compared=comparer.with_baseline(chosen) if chosen and len(comparer.groups) > 1 else {},
        to_best=comparer.with_best() if len(comparer.groups) > 1 else {},
        importances=importances(sweep.trials, variables(sweep.trials, seeds=True)),
        variables=variables(sweep.trials),
        front=front,
    )


def group_interval(group: Group, objective: str) -> tuple[float, float, str] | None:
    """The 95 % interval of a setting's mean.

    Args:
        group: with at least one judged job.
        objective: the metric.

    Returns:
        Lower end, upper end, and what was drawn: SEEDS (Student's t), or for one seed ONE_SEED (as its evaluation
        recorded it); None where there is none, or where all seeds gave the same value.
    """
    if len(group.values) > 1:
        if pstdev(group.values) == 0:
            return None
        _, low, high = mean_interval(group.values)
        if is_share(objective):
            low, high = max(0.0, low), min(1.0, high)
        return low, high, SEEDS
    trial = group.counted[0]
    for record in reversed(trial.run.evals):
        value, ends = number(record, objective), [number(record, f"{objective}{end}") for end in ("_low", "_high")]
        if value is not None and value == trial.objective and ends[0] is not None and ends[1] is not None:
            return ends[0], ends[1], ONE_SEED
    return None


def verdict(board: Standings) -> tuple[str, list[str], str]:
    """The leaderboard in words.

    Returns:
        Headline, further sentences, and its level (good, bad, warning, neutral).
    """
    judged, sweep = board.judged, board.sweep
    if not judged:
        pending = any(t.status == RUNNING for t in sweep.trials) and sweep.alive
        return (
            ("Nothing to rank yet: no job has completed" if pending else "Nothing to rank: no job has completed"),
            (_state(sweep)),
            (NEUTRAL if pending else BAD),
        )
    best = judged[0]
    where = f"{board.title} {show(best.mean, board.kind)}"
    if len(judged) == 1:
        seeds = len(best.values)
        return (
            f"{capital(where)} with the one setting that has completed",
            [
                f"{seeds} seed{'s' * (seeds > 1)} of it; there is no other to compare it with.",
                *_state(sweep),
            ],
            NEUTRAL,
        )
    worse = [c for c in board.to_best.values() if c.sure]
    open_ = len(board.to_best) - len(worse)
    sentences = []
    if not open_:
        headline, level = f"{best.name} is the best setting: {where}", GOOD
    else:
        of = f"{open_} of the {len(board.to_best)} other settings" if len(board.to_best) > 1 else "The other setting"
        headline, level = f"{of} cannot be told apart from the best", NEUTRAL
        sentences.append(f"The best mean has {best.name}: {where}.")
        if worse:
            sentences.append(f"{len(worse)} {'is' if len(worse) == 1 else 'are'} surely worse.")
    by_prompts = [c for c in board.to_best.values() if c.kind == PROMPTS]
    if by_prompts:
        what = "All" if len(by_prompts) == len(board.to_best) else f"{len(by_prompts)}"
        sentences.append(
            f"{what} of these comparisons are of trained models on the same prompts: they say nothing of other seeds."
        )
    least = min(len(g.values) for g in judged)
    if open_ and 1 < least < 5:
        pairs = len(judged) * (len(judged) - 1) // 2
        times = critical(ALPHA / pairs, least - 1)
        sentences.append(
            f"With {least} seeds and {pairs} pair{'s' * (pairs > 1)} a difference has to be {times:.0f} times its "
            "standard error to be sure; more seeds would tell more."
        )
    return headline, [*sentences, *_state(sweep)], (WARNING if level == GOOD and by_prompts else level)


def method(board: Standings) -> list[str]:
    """How the numbers were come by, in words."""
    compared = [c for c in board.compared.values() if c.kind != NOTHING]
    count, pairs = len(board.compared), len(board.to_best) * (len(board.to_best) + 1) // 2
    told = [
        "Jobs that differ only in their seed are one setting. Its interval is a 95 % t interval over seeds; of one "
        "seed it is the evaluation's own over prompts, which says nothing of other seeds."
    ]
    if compared and board.baseline:
        told.append(
            f"{count} setting{'s' * (count > 1)} {'are' if count > 1 else 'is'} compared with the baseline "
            f"({board.baseline.name}), seed by seed where seeds are shared. p-values are corrected for that number by "
            f"Holm's method; the intervals have a confidence of {confidence(ALPHA / count)} each (Bonferroni), so that "
            "all of them hold together with 95 %."
        )
        told.append(
            f"Which setting is best is read off the same numbers, so what is said of the best is corrected for all "
            f"{pairs} pair{'s' * (pairs > 1)}: intervals of {confidence(ALPHA / pairs)}."
        )
    if missing := [n for n, c in board.compared.items() if c.kind == NOTHING]:
        told.append(f"Not compared: {'; '.join(f'{n} ({board.compared[n].why})' for n in missing)}.")
    return told


def confidence(alpha: float) -> str:
    """A confidence in as many digits as tell it from 100 %."""
    places = 0 if alpha >= 0.05 else 1 if alpha >= 0.005 else 2
    text = f"{100 * (1 - alpha):.{places}f}"
    return f"{text.removesuffix('.0')}{THIN}%"


def interval_text(comparison: Comparison, kind: str) -> str:
    """A difference with its interval: `+93.2 points (+79.6 to +106.9)`."""
    if comparison.difference is None or comparison.low is None or comparison.high is None:
        return "not compared"
    low, high = (change(v, kind).removesuffix(" points") for v in (comparison.low, comparison.high))
    return f"{change(comparison.difference, kind)} ({low} to {high})"


def p_text(p: float | None) -> str:
    """A p-value: `0.03`, `< 0.001`."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def completions_of(trials: Sequence[Trial]) -> int | None:
    """Training completions generated by jobs, as their folders hold them; None where none is recorded."""
    total = 0
    for trial in trials:
        try:
            with trial.run.folder.completions("train").open("rb") as lines:
                total += sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 20), b""))
        except OSError:
            continue
    return total or None


def other_metrics(board: Standings, most: int = 4) -> list[str]:
    """Held-out metrics beside the first objective that tell settings apart, further objectives first."""
    found: list[str] = list(board.sweep.objectives[1:])
    for trial in (t for g in board.judged for t in g.counted):
        for metric in held_out.metrics_of(trial.run.evals[-1:]):
            if not metric.tag and metric.key not in (*found, board.sweep.objectives[0]):
                found.append(metric.key)
    seen = {tuple(m for g in board.judged for m in measured(g, board.sweep.objectives[0]))}
    kept = []
    for key in found:
        values = tuple(m for g in board.judged for m in measured(g, key))
        if values and values not in seen:  # accuracy and the reward that it is made of are one thing
            seen.add(values)
            kept.append(key)
    return kept[: max(most, len(board.sweep.objectives) - 1)]


def measured(group: Group, key: str) -> list[float]:
    """A held-out metric of each judged job of a setting, of the model that was kept."""
    values = []
    for trial in group.counted:
        metrics = trial.run.result.get("metrics")
        after = metrics.get("after") if isinstance(metrics, dict) else None
        record = after if isinstance(after, dict) else trial.run.evals[-1] if trial.run.evals else {}
        if (value := number(record, key)) is not None:
            values.append(value)
    return values


def mean_of(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return fmean(values) if values else None


def _state(sweep: SweepRun) -> list[str]:
    """How far the sweep is, where it is not finished, and what could not be read."""
    counts: dict[str, int] = {}
    for trial in sweep.trials:
        counts[trial.status] = counts.get(trial.status, 0) + 1
    told = []
    if any(status != COMPLETED for status in counts):
        parts = [f"{n} {status}" for status, n in sorted(counts.items(), key=lambda c: c[0] != COMPLETED)]
        told.append(f"Of {len(sweep.trials)} jobs: {', '.join(parts)}.")
    if counts.get(PRUNED):
        told.append("Pruned jobs ended early and are not judged.")
    if sweep.alive:
        told.append("The sweep is under way.")
    return [*told, *sweep.notes]
