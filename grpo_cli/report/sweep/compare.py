"""Settings compared with one another: paired where they share seeds, corrected for how many are compared.

Over seeds where there are at least two on each side, and then the interval speaks of seeds not tried. With one seed
each the same prompts are compared, which says how these two trained models differ, and nothing of other seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

from grpo_cli.errors import ConfigError
from grpo_cli.report.sweep.groups import Group, ranked
from grpo_cli.report.sweep.prompts import interval, is_share, per_prompt
from grpo_cli.report.sweep.read import SweepRun, Trial
from grpo_cli.report.sweep.student import mean_interval, mean_p, welch

ALPHA = 0.05
PAIRED, UNPAIRED, PROMPTS, NOTHING = "paired seeds", "unpaired seeds", "prompts of one seed", "not compared"
ALIKE = 1e-12


@dataclass(frozen=True)
class Comparison:
    """By how much one setting's objective exceeds another's.

    Attributes:
        kind: what was drawn: PAIRED, UNPAIRED, PROMPTS, or NOTHING.
        count: how many pairs (of PAIRED and PROMPTS), or jobs on both sides together.
        difference: the mean difference; None where nothing could be compared.
        low, high: its interval, of the confidence that the number of comparisons asks for.
        p: its p-value, uncorrected.
        holm: its p-value after Holm's correction.
        why: what kept it from being compared.
    """

    kind: str
    count: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    holm: float | None = None
    why: str = ""

    @property
    def sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Comparer:
    """Compares the settings of one sweep; results prompt by prompt are read once.

    Args:
        sweep: the sweep.
        groups: its settings.
    """

    def __init__(self, sweep: SweepRun, groups: Sequence[Group]) -> None:
        self.metric = sweep.objectives[0]
        self.minimize = sweep.minimize
        self.groups = [g for g in groups if g.values]
        self._prompts: dict[int, dict[str, float]] = {}

    def with_baseline(self, baseline: Group) -> dict[str, Comparison]:
        """Every other setting against one: intervals of confidence 1 - 0.05 / m, p-values corrected by Holm.

        Args:
            baseline: what the others are compared with.

        Returns:
            Group name → its comparison; m is the number of them.
        """
        others = [g for g in self.groups if g is not baseline]
        found = {g.name: self.two(g, baseline, ALPHA / len(others)) for g in others} if baseline.values else {}
        corrected = iter(holm([c.p for c in found.values() if c.p is not None]))
        return {n: replace(c, holm=next(corrected)) if c.p is not None else c for n, c in found.items()}

    def with_best(self) -> dict[str, Comparison]:
        """Every other setting against the one of the best mean.

        Which one is best is read off the same numbers, and any pair could have been the one looked at: the intervals
        have the confidence that all pairs together ask for, 1 - 0.05 / (k (k - 1) / 2) for k settings.
        """
        order = ranked(self.groups, self.minimize)
        pairs = len(order) * (len(order) - 1) / 2
        return {g.name: self.two(order[0], g, ALPHA / pairs) for g in order[1:]}

    def two(self, a: Group, b: Group, alpha: float) -> Comparison:
        """Compare two settings.

        Args:
            a: a setting with a judged job.
            b: another one.
            alpha: the chance that the interval misses.

        Returns:
            The difference `a` less `b`.
        """
        found = self._two(a, b, alpha)
        if not is_share(self.metric) or found.low is None or found.high is None:
            return found
        return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))  # shares differ by no more

    def _two(self, a: Group, b: Group, alpha: float) -> Comparison:
        ours, theirs = a.by_seed(), b.by_seed()
        shared = [(ours[s], theirs[s]) for s in ours if s in theirs]
        if len(shared) >= 2:
            differences = [x.objective - y.objective for x, y in shared]  # type: ignore[operator]
            if pstdev(differences) > ALIKE:
                return Comparison(PAIRED, len(shared), *mean_interval(differences, alpha), mean_p(differences))
            return self._over_prompts(shared, alpha, "every shared seed has the same difference")
        varied = max(pstdev(a.values), pstdev(b.values)) > ALIKE
        if not shared and min(len(a.values), len(b.values)) >= 2 and varied:
            return Comparison(UNPAIRED, len(a.values) + len(b.values), *welch(a.values, b.values, alpha))
        return self._over_prompts(shared or [(a.counted[0], b.counted[0])], alpha, "one seed to compare")

    def _over_prompts(self, pairs: Sequence[tuple[Trial, Trial]], alpha: float, reason: str) -> Comparison:
        """Compare trained models by the prompts both were asked; what several pairs were asked alike, by its mean."""
        gathered: dict[str, list[float]] = {}
        for x, y in pairs:
            ours, theirs = self._of(x), self._of(y)
            for prompt in ours.keys() & theirs.keys():
                gathered.setdefault(prompt, []).append(ours[prompt] - theirs[prompt])
        if len(gathered) < 2:
            return Comparison(NOTHING, why=f"{reason}, and no results on the same prompts recorded")
        differences = [fmean(gathered[prompt]) for prompt in sorted(gathered)]
        return Comparison(PROMPTS, len(gathered), *interval(differences, alpha, is_share(self.metric)))

    def _of(self, trial: Trial) -> dict[str, float]:
        if trial.number not in self._prompts:
            self._prompts[trial.number] = per_prompt(trial, self.metric)
        return self._prompts[trial.number]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979): the chance of any false claim is then at most the threshold.

    Args:
        p_values: one a comparison.

    Returns:
        Corrected ones, in the same order.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


def choose_baseline(groups: Sequence[Group], wanted: str | None, sweep: SweepRun) -> Group | None:
    """The setting that the others are compared with.

    Args:
        groups: all settings.
        wanted: a job's number, or a setting's name; None for the one of the fewest changes, of several the first.
        sweep: the sweep.

    Returns:
        The group; None where none is named and none has a judged job.

    Raises:
        ConfigError: there is no such job or setting, or none of its jobs is judged.
    """
    if wanted is None:
        judged = [g for g in groups if g.values]
        return min(judged, key=lambda g: (len(g.overrides), g.first), default=None)
    words = sorted(wanted.split())
    found = next((g for g in groups if g.name == wanted or sorted(g.overrides) == words), None)
    if found is None and wanted.isdecimal():
        found = next((g for g in groups if any(t.number == int(wanted) for t in g.trials)), None)
    if found is None:
        some = ", ".join(repr(g.name) for g in groups[:3])
        raise ConfigError(
            f"--baseline={wanted}: {sweep.folder} has no job of that number and no setting of that name; write a "
            f"number up to {max((t.number for t in sweep.trials), default=0)}, or one of {some}"
        )
    if not found.values:
        raise ConfigError(f"--baseline={wanted}: none of its jobs has completed with a value; name another")
    return found
