"""A trial on the screen: each probe × each reward, how long it took, and the findings in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, GOOD, WARN, make_console
from grpo_cli.trial.reading import latency
from grpo_cli.trial.rules import ERROR, NOTE, WARNING, Finding
from grpo_cli.trial.trial import YOURS, Probed, Trial

_SHOWN = 12  # completions of a file; all of them are in --json
STYLES = {ERROR: BAD, WARNING: WARN, NOTE: DIM}


def print_trial(trial: Trial, findings: Sequence[Finding], stream: IO[str] | None = None) -> None:
    """Print a trial.

    Args:
        trial: the trial.
        findings: what `findings.find` made of it.
        stream: where to write; standard output by default.
    """
    console = make_console(stream)
    console.print(_head(trial), soft_wrap=not console.is_terminal)
    for note in [*trial.rows.notes, *filter(None, (reward.note() for reward in trial.rewards))]:
        console.print(Text(note, style=DIM))
    console.print()
    console.print(_scores(trial))
    console.print()
    if yours := trial.find(YOURS):
        console.print(_lines(trial, yours))
        console.print()
    console.print(_times(trial))
    console.print()
    # In a file or pipe there is no width to keep to: every finding gets one line.
    one_line = not console.is_terminal
    for finding in findings:
        mark = console.glyphs.warn if finding.severity != NOTE else console.glyphs.dot
        subject = f"{finding.reward}: " if finding.reward else ""
        head = (f"{mark} {finding.severity}: ", STYLES[finding.severity])
        console.print(Text.assemble(head, (subject, BOLD), finding.text), soft_wrap=one_line)
        if finding.advice:
            advice = Text(f"{console.glyphs.arrow} {finding.advice}", style=DIM)
            console.print(Text("  ").append(advice) if one_line else Padding(advice, (0, 0, 0, 2)), soft_wrap=one_line)
    console.print(_verdict(findings))


def _head(trial: Trial) -> Text:
    rows, names = trial.rows, ", ".join(reward.__name__ for reward in trial.rewards)
    total = f" of {rows.total:,}" if rows.total is not None else ""
    kind = "conversations" if rows.conversational else "plain text"
    gold = f"right answers in {rows.answer_column!r}, written {trial.form}" if trial.golds else "no right answers"
    return Text.assemble((names, f"{BOLD} {ACCENT}"), f"  {len(rows)}{total} rows, {kind}; {gold}")


def _scores(trial: Trial) -> Table:
    """A line for each probe: mean score, and the share of None and failures where there are any."""
    table = Table(box=None, pad_edge=False, header_style=DIM)
    table.add_column("completion", no_wrap=True)
    several = len(trial.rewards) > 1
    for reward in trial.rewards:
        table.add_column(reward.__name__, justify="right")
    if several:
        table.add_column("weighted sum", justify="right")
    for probed in trial.all:
        count = f" ({len(probed.rows)})" if len(probed.rows) != len(trial.rows) else ""
        cells = [_cell(probed, reward.__name__) for reward in trial.rewards]
        if several:
            cells.append(_number(probed.mean(None)))
        table.add_row(f"{probed.name}{count}", *cells, style=GOOD if probed is trial.gold else None)
    return table


def _cell(probed: Probed, name: str) -> str:
    scores = probed.scores[name]
    failed = sum(error is not None for error in scores.errors)
    none = sum(value is None for value in scores.values) - failed
    extra = [f"{n / len(scores.values):.0%} {what}" for n, what in ((none, "None"), (failed, "failed")) if n]
    return " ".join([_number(probed.mean(name)), *([f"({', '.join(extra)})"] if extra else [])])


def _lines(trial: Trial, yours: Probed) -> Table:
    """The first completions of the user's file, one by one."""
    table = Table(box=None, pad_edge=False, header_style=DIM)
    for title in ("line", *(reward.__name__ for reward in trial.rewards)):
        table.add_column(title, justify="right")
    table.add_column("begins", no_wrap=True, overflow="ellipsis")
    for i, text in enumerate(yours.texts[:_SHOWN]):
        values = (_number(yours.values(reward.__name__)[i]) for reward in trial.rewards)
        table.add_row(str((yours.lines or [])[i]), *values, " ".join(text.split())[:60])
    return table


def _times(trial: Trial) -> Table:
    """A line for each reward: milliseconds a completion."""
    table = Table(box=None, pad_edge=False, header_style=DIM)
    for title in ("milliseconds a completion", "mean", "p50", "p99"):
        table.add_column(title, justify="left" if title.startswith("m") and " " in title else "right")
    for reward in trial.rewards:
        table.add_row(reward.__name__, *(f"{seconds * 1000:.3g}" for seconds in latency(trial, reward.__name__)))
    return table


def _verdict(findings: Sequence[Finding]) -> Text:
    count = Counter(finding.severity for finding in findings)
    if not count[ERROR] + count[WARNING]:
        return Text("No findings: these rewards can be trained on.", style=f"{BOLD} {GOOD}")
    parts = [f"{count[s]} {s}{'s' * (count[s] > 1)}" for s in (ERROR, WARNING) if count[s]]
    return Text(" and ".join(parts), style=f"{BOLD} {BAD if count[ERROR] else WARN}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def as_json(trial: Trial, findings: Sequence[Finding]) -> dict[str, Any]:
    """A trial for machines: every value, time and error, and the findings."""
    return {
        "rows": trial.rows.numbers,
        "answer_column": trial.rows.answer_column,
        "form": trial.form if trial.golds else None,
        "rewards": {
            reward.__name__: {
                "weight": reward.weight,
                "seconds": dict(zip(("mean", "p50", "p99"), latency(trial, reward.__name__), strict=True)),
            }
            for reward in trial.rewards
        },
        "probes": [
            {
                "name": probed.name,
                "rows": [trial.rows.numbers[row] for row in probed.rows],
                **({"lines": probed.lines} if probed.lines else {}),
                "rewards": {
                    name: {
                        "mean": probed.mean(name),
                        "values": scores.values,
                        "errors": {i: error for i, error in enumerate(scores.errors) if error is not None},
                    }
                    for name, scores in probed.scores.items()
                },
                "sum": {"mean": probed.mean(None), "values": probed.totals},
            }
            for probed in trial.all
        ],
        "findings": [
            {"severity": f.severity, "reward": f.reward, "text": f.text, "advice": f.advice} for f in findings
        ],
    }
