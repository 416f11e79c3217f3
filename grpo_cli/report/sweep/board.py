"""The leaderboard's table as text: its columns, and a row for each setting. Page and terminal lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from grpo_cli.report.formats import duration, show
from grpo_cli.report.sweep.compare import NOTHING, PAIRED, PROMPTS, Comparison
from grpo_cli.report.sweep.groups import Group, short_seed
from grpo_cli.report.sweep.read import Trial
from grpo_cli.report.sweep.standings import (
    ONE_SEED,
    Standings,
    completions_of,
    group_interval,
    interval_text,
    kind_of,
    mean_of,
    measured,
    other_metrics,
    p_text,
    title_of,
)
from grpo_cli.runs.result import COMPLETED

BEST, WORSE, OPEN = "best mean", "surely worse", "cannot be told apart"


@dataclass(frozen=True)
class Column:
    """One column: its key, its title, whether it holds numbers."""

    key: str
    title: str
    number: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell: what it says, and a remark below it."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        group: the setting.
        cells: one a column.
        best: its best single job.
        range_: lower end, mean and upper end as places between 0 and 1; None without an interval.
    """

    group: Group
    cells: Sequence[Cell]
    best: Trial | None
    range_: tuple[float, float, float] | None


def board_rows(board: Standings) -> tuple[list[Column], list[Row]]:
    """The leaderboard's table.

    Returns:
        Columns, and a row for each setting, from the best mean on.
    """
    several = len(board.judged) > 1
    others = other_metrics(board)
    columns = [Column("rank", "", True), Column("setting", "setting"), Column("seeds", "seeds", True)]
    columns.append(Column("mean", f"{board.title} (95 %)"))
    if several:
        columns += [Column("difference", "against the baseline"), Column("p", "p (Holm)", True)]
        columns.append(Column("standing", "against the best"))
    columns.append(Column("best", "best job"))
    columns += [Column(key, title_of(key), True) for key in others]
    columns += [Column("time", "time a job", True), Column("completions", "completions a job", True)]
    intervals = {g.name: group_interval(g, board.sweep.objectives[0]) for g in board.judged}
    ends = [e for i in intervals.values() if i for e in i[:2]] + [g.mean or 0.0 for g in board.judged]
    scale = (min(ends), max(ends)) if ends else (0.0, 1.0)
    rows = []
    for rank, group in enumerate(board.groups):
        interval = intervals.get(group.name)
        best = group.best(board.sweep.minimize)
        cells = [Cell(str(rank + 1) if group.values else "–"), Cell(group.name), _seeds(group)]
        cells.append(_mean(group, interval, board.kind))
        if several:
            compared = board.compared.get(group.name)
            cells += [_difference(board, group, compared), Cell(p_text(compared.holm if compared else None))]
            cells.append(Cell(_standing(board, group)))
        cells.append(Cell(f"job {best.number}", show(best.objective, board.kind)) if best else Cell("–"))
        cells += [Cell(show(mean_of(measured(group, key)), kind_of(key))) for key in others]
        seconds = [t.seconds for t in group.counted if t.seconds is not None]
        count = completions_of(group.counted)
        cells.append(Cell(duration(fmean(seconds)) if seconds else "–"))
        cells.append(Cell(show(count / len(group.counted), "count") if count else "–"))
        rows.append(Row(group, cells, best, _places(group, interval, scale)))
    return columns, rows


def _seeds(group: Group) -> Cell:
    """How many seeds are judged, and what became of the others."""
    left = len(group.trials) - len(group.values)
    if not left:
        return Cell(str(len(group.values)))
    states = sorted({t.status if t.status != COMPLETED else "without a value" for t in group.trials if not t.counts})
    states += ["the same seed again"] if any(t.counts and t not in group.counted for t in group.trials) else []
    return Cell(f"{len(group.values)} of {len(group.trials)}", ", ".join(states))


def _mean(group: Group, interval: tuple[float, float, str] | None, kind: str) -> Cell:
    if group.mean is None:
        return Cell("–")
    text = show(group.mean, kind)
    if interval is not None:
        low, high, drawn = interval
        note = f"{show(low, kind)} to {show(high, kind)}"
        return Cell(text, f"{note}, over prompts" if drawn == ONE_SEED else note)
    if len(group.values) > 1:
        return Cell(text, "the same for every seed")
    return Cell(text, f"seed {short_seed(group.counted[0])} alone")


def _difference(board: Standings, group: Group, compared: Comparison | None) -> Cell:
    if group is board.baseline:
        return Cell("baseline")
    if compared is None:
        return Cell("–")
    if compared.kind == NOTHING:
        return Cell("not compared")
    drawn = {PAIRED: "paired seeds", PROMPTS: "prompts"}.get(compared.kind, "seeds, unpaired")
    return Cell(interval_text(compared, board.kind), f"{compared.count} {drawn}")


def _standing(board: Standings, group: Group) -> str:
    if not group.values:
        return "–"
    if group is board.judged[0]:
        return BEST
    compared = board.to_best[group.name]
    return WORSE if compared.sure else OPEN


def _places(
    group: Group, interval: tuple[float, float, str] | None, scale: tuple[float, float]
) -> tuple[float, float, float] | None:
    if interval is None or group.mean is None or scale[1] <= scale[0]:
        return None
    low, mean, high = ((v - scale[0]) / (scale[1] - scale[0]) for v in (interval[0], group.mean, interval[1]))
    return low, mean, high
