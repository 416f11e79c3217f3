"""A report on the terminal: the run's numbers, memory and time, and each finding with what to paste."""

from __future__ import annotations

import shlex
from typing import Any

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.report import Report
from grpo_cli.preflight.show import count, duration, size
from grpo_cli.preflight.terminal import Terminal

Row = tuple[str, str, str]
_STYLES = {ERROR: "bold red", WARNING: "bold yellow", NOTE: "bold blue"}


def print_report(report: Report, terminal: Terminal | None = None) -> None:
    """Print a report.

    Args:
        report: what was found.
        terminal: where to; standard output by default.
    """
    terminal = terminal or Terminal()
    if report.arithmetic:
        terminal.table(report.arithmetic.lines())
        for rows in (memory_rows(report), time_rows(report)):
            terminal.line()
            terminal.table(rows)
    if report.data:
        terminal.line()
        terminal.table(_data(report.data))
        if prompt := report.data.get("example"):
            terminal.line("\none prompt as the model gets it:", "dim")
            terminal.paragraph(prompt)
    for finding in report.findings:
        terminal.line()
        _print_finding(terminal, finding)
    terminal.line()
    terminal.line(*_verdict(report))


def _print_finding(terminal: Terminal, finding: Finding) -> None:
    terminal.line(
        f"{terminal.style(finding.severity, _STYLES[finding.severity])} {terminal.style(finding.code, 'dim')}"
    )
    terminal.paragraph(finding.what if finding.what.endswith((".", "?")) else f"{finding.what}.")
    if finding.why:
        terminal.paragraph(finding.why, "dim")
    if finding.install:
        terminal.line(f"  run:   {finding.install}", "green")
    for number, fix in enumerate(finding.fixes):
        terminal.line(f"  {'write:' if number == 0 else 'or:   '} {_pasteable(fix)}", "green")


def _pasteable(fix: str) -> str:
    """The fix, quoted for a shell where it has brackets."""
    return " ".join(shlex.quote(part) if "[" in part or "*" in part else part for part in fix.split(" "))


def memory_rows(report: Report) -> list[Row]:
    """The memory of one process: measured where a probe ran, else forecast, else why not."""
    of = f" of {size(report.available)}" if report.available else ""
    rows: list[Row] = []
    if report.measured:
        worst = report.measured.worst
        lengths = f"prompts of {worst.prompt} and completions of {worst.completion} tokens"
        each = f"rank {worst.rank} of {len(report.measured.ranks)}" if len(report.measured.ranks) > 1 else "a process"
        rows.append(
            ("memory", f"{size(worst.peak)}{of}", f"measured; {each}, in the phase '{worst.peak_phase}'; {lengths}")
        )
        rows.append(("", "by phase", _listed(worst.peaks)))
        if worst.tensors:
            rows.append(("", "of it tensors", _listed(worst.tensors)))
        rows += [(f"  rank {rank.rank}", size(rank.peak), rank.peak_phase) for rank in report.measured.ranks[:16]][
            : 16 * (len(report.measured.ranks) > 1)
        ]
    if not (report.forecast and report.setup):
        unknown = any(finding.code == "hardware.launch" for finding in report.findings)
        why = "the launch is not possible, see below" if unknown else "the model's config.json is not on this machine"
        return rows or [("memory", "not forecast", why)]
    found, setup = report.forecast, report.setup
    what = f"forecast; a {'process' if setup.on_cpu else 'GPU'}, in the phase '{found.peak_phase}'"
    lengths = f"prompts of {setup.prompt} and completions of {setup.completion} tokens"
    rows.append(("" if rows else "memory", f"about {size(found.peak)}{of}", f"{what}; {lengths}"))
    if found.host:
        where = "forecast; of the machine's memory, a process, for what is offloaded"
        rows.append(("", f"about {size(found.host)}", where))
    if report.tight and not report.measured:
        rows.append(("", "by phase", _listed(found.phases)))
        rows.append(("", "by part", _listed({name: value for name, value in found.parts.items() if value >= 1})))
    if report.tight:
        rows += [("", f"saves {size(s.bytes)}", f"{s.override} ({s.costs})") for s in report.savings[:4]]
    return rows


def time_rows(report: Report) -> list[Row]:
    """The time of a step and of the run: measured, by earlier runs, or how to find it out."""
    time = report.time
    if time is None:
        return [("time", "not known", "no earlier run of this shape; probe=true measures two steps")]
    how = "measured" if report.measured else "by earlier runs"
    rows = []
    if time.total is not None:
        rows.append(("time", f"about {duration(time.total)}", f"{how}; {time.detail}"))
    spread = f", {duration(time.low)} to {duration(time.high)} from the 10th to the 90th percentile"
    each = f"{duration(time.step)} a step"
    detail = f"{count(time.steps_per_hour)} an hour{'' if report.measured else spread}"
    rows.append(("" if rows else "time", each, detail if rows else f"{how}; {detail}; {time.detail}"))
    if report.measured:
        parts = {name: seconds for name, seconds in report.measured.seconds.items() if seconds >= 0.0005}
        rows.append(("", "by phase", ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items())))
    return rows


def _listed(sizes: Any) -> str:
    return ", ".join(f"{name} {size(value)}" for name, value in sizes.items())


def _data(data: dict[str, Any]) -> list[Row]:
    number = f"{count(data['train_rows'])} to train on" if data["train_rows"] is not None else "a stream"
    rows = [("data", number, f"{count(data['test_rows'])} held out")]
    if tokens := data.get("prompt_tokens"):
        listed = ", ".join(f"{name} {count(value)}" for name, value in tokens.items())
        rows.append(("prompt tokens", f"{count(tokens['median'])} in the median", listed))
    return rows


def _verdict(report: Report) -> tuple[str, str]:
    names = {ERROR: "error", WARNING: "warning", NOTE: "note"}
    counts = [(report.count(severity), name) for severity, name in names.items()]
    listed = ", ".join(f"{number} {name}{'s' * (number > 1)}" for number, name in counts if number)
    if report.count(ERROR):
        return f"{listed}: this run would not work.", "bold red"
    if report.count(WARNING):
        return f"{listed}: this run would work, perhaps not as meant.", "bold yellow"
    return f"Nothing is wrong{f' ({listed})' if listed else ''}.", "bold green"
