"""The report on several runs: what became of each, what differs in their settings, their curves over each other."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

from grpo_cli.report import held_out
from grpo_cli.report.curves import compared
from grpo_cli.report.formats import change, duration, show
from grpo_cli.report.markup import Markup, breakable, el, join
from grpo_cli.report.page import curves_part, document, navigation, section
from grpo_cli.report.read import Run
from grpo_cli.report.sections import STATUS, table
from grpo_cli.report.settings import differing
from grpo_cli.report.summary import NEUTRAL, Summary, interval_words, summarise
from grpo_cli.runs.metrics import number


def comparison_page(runs: Sequence[Run]) -> str:
    """The page on several runs.

    Args:
        runs: at least two.

    Returns:
        HTML.
    """
    named = list(zip(labels([run.folder.root for run in runs]), runs, strict=True))
    summaries = [summarise(run) for run in runs]
    here = [("runs", "Runs"), ("settings", "Settings"), ("curves", "Curves"), ("findings", "Findings")]
    header = el("header", el("div", el("h1", f"{len(runs)} runs"), class_="which"), navigation(here))
    rows = [_row(i, name, run, summary) for i, ((name, run), summary) in enumerate(zip(named, summaries, strict=True))]
    body = join(
        header,
        section("runs", "What became of each", wide(table(HEAD, rows, "Runs"), "Runs", short=True)),
        section("settings", "What differs in their settings", settings_table(named)),
        el("div", curves_part(compared(named)), id="curves"),
        section("findings", "What the doctor found", _findings(named)),
    )
    return document(f"{len(runs)} runs", body, None)


HEAD = ("run", "status", "held-out metric", "before", "after", "change", "training reward", "steps", "time")


def run_row(run: Run, summary: Summary) -> list[str]:
    """What became of one run, as text: the columns of `HEAD` after the first."""
    gain, metric = summary.gain, held_out.primary(run.evals)
    kind = gain.metric.kind if gain else "number"
    by = "–"
    if gain is not None:
        by = change(gain.value, kind) + (
            f" ({interval_words(gain).removesuffix(' points')})" if gain.low is not None else ""
        )
    reward = next((v for v in (number(r, "reward") for r in reversed(run.train)) if v is not None), None)
    step = number(run.result, "step")
    return [
        run.status,
        gain.metric.title if gain else metric.title if metric else "–",
        show(gain.first, kind) if gain else "–",
        show(gain.last, kind) if gain else "–",
        by,
        show(reward),
        "–" if step is None else f"{step:,.0f}",
        duration(number(run.result, "seconds")),
    ]


def labels(paths: Sequence[Path]) -> list[str]:
    """A short name for each folder: the last part of its path where that tells them apart, else what is not common."""
    absolute = [path.resolve() for path in paths]
    if len({path.name for path in absolute}) == len(absolute):
        return [path.name for path in absolute]
    common = Path(commonpath(absolute))
    return [str(path.relative_to(common)) if path != common else path.name for path in absolute]


def settings_table(named: Sequence[tuple[str, Run]]) -> Markup:
    """The settings in which runs differ, a column for each run."""
    rows = differing([run.config for _, run in named])
    if not rows:
        return el("p", "Their settings are the same.", class_="soft")
    head = ["setting", *(name for name, _ in named)]
    return wide(
        table(head, [[breakable(key), *values] for key, values in rows], "Settings that differ"), "Settings that differ"
    )


def wide(content: Markup, name: str, short: bool = False) -> Markup:
    """A table in a card inside which it scrolls sideways, by keyboard too.

    Args:
        content: the table.
        name: for who does not see it.
        short: cells hold a word or a number, and stay on one line.
    """
    kind = "card wide-table short" if short else "card wide-table"
    return el("div", content, class_=kind, tabindex="0", role="region", aria_label=name)


def _row(number_: int, name: str, run: Run, summary: Summary) -> list[object]:
    status, *rest = run_row(run, summary)
    colour = el("span", class_=f"key s{number_ % 8}")
    return [join(colour, name), el("span", status, class_=STATUS.get(status, NEUTRAL)), *rest]


def _findings(named: Sequence[tuple[str, Run]]) -> Markup:
    rows = [[name, f.get("step"), f.get("severity"), f.get("symptom")] for name, run in named for f in run.findings]
    if not rows:
        return el("p", "The doctor recorded no finding.", class_="soft")
    return el("div", table(["run", "step", "severity", "symptom"], rows, "Findings"), class_="card")
