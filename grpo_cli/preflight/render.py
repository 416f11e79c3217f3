"""A report on the terminal: the run's numbers, the memory forecast, and each finding with what to paste."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.report import Report
from grpo_cli.preflight.show import count, size

_STYLES = {ERROR: "bold red", WARNING: "bold yellow", NOTE: "bold blue"}


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report.

    Args:
        report: what was found.
        console: where to; standard output by default.
    """
    console = console or Console(highlight=False, soft_wrap=False)
    if report.arithmetic:
        table = _table()
        for name, number, detail in report.arithmetic.lines():
            table.add_row(name, number, f"[dim]{escape(detail)}[/dim]")
        console.print(table)
    if report.forecast and report.setup:
        console.print()
        console.print(_memory(report))
    elif report.arithmetic:
        table = _table()
        table.add_row("memory", "not forecast", "[dim]the model's config.json is not on this machine[/dim]")
        console.print()
        console.print(table)
    if report.data:
        console.print()
        console.print(_data(report.data))
        for prompt in [report.data.get("example")]:
            if prompt:
                console.print(Text("\none prompt as the model gets it:", "dim"))
                console.print(Padding(Text(prompt), (0, 0, 0, 2), expand=False))
    for finding in report.findings:
        console.print()
        _print_finding(console, finding)
    console.print()
    console.print(_verdict(report))


def _print_finding(console: Console, finding: Finding) -> None:
    head = Text.assemble((f"{finding.severity} ", _STYLES[finding.severity]), (f"{finding.code}", "dim"))
    console.print(head)
    text = finding.what if finding.what.endswith((".", "?")) else f"{finding.what}."
    console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
    if finding.why:
        console.print(Padding(Text(finding.why, "dim"), (0, 0, 0, 2), expand=False))
    if finding.install:
        console.print(Text(f"  run:   {finding.install}", "green"), soft_wrap=True)
    for number, fix in enumerate(finding.fixes):
        label = "write:" if number == 0 else "or:   "
        console.print(Text(f"  {label} {_pasteable(fix)}", "green"), soft_wrap=True)


def _pasteable(fix: str) -> str:
    """The fix, quoted for a shell where it has brackets."""
    return " ".join(shlex.quote(part) if "[" in part or "*" in part else part for part in fix.split(" "))


def _table() -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def _memory(report: Report) -> Table:
    assert report.forecast and report.setup
    found, table = report.forecast, _table()
    parts = {
        "weights": found.weights,
        "gradients": found.gradients,
        "optimizer": found.optimizer,
        "reference": found.reference,
        "activations": found.activations,
        "KV cache": found.kv_cache,
        "logits": max(found.logits, found.tile),
        "the process itself": found.base,
    }
    of = f" of {size(report.available)}" if report.available else ""
    lengths = f"prompts of {report.setup.prompt} and completions of {report.setup.completion} tokens"
    table.add_row(
        "memory", f"about {size(found.peak)}{of}", f"[dim]a process, in the phase '{found.peak_phase}'; {lengths}[/dim]"
    )
    if report.tight:
        listed = ", ".join(f"{name} {size(value)}" for name, value in found.phases.items())
        table.add_row("", "by phase", f"[dim]{listed}[/dim]")
        listed = ", ".join(f"{name} {size(value)}" for name, value in parts.items() if value >= 1)
        table.add_row("", "by part", f"[dim]{listed}[/dim]")
        for saving in report.savings[:4]:
            table.add_row(
                "", f"saves {size(saving.bytes)}", f"{escape(saving.override)} [dim]({escape(saving.costs)})[/dim]"
            )
    return table


def _data(data: dict) -> Table:
    table = _table()
    rows = f"{count(data['train_rows'])} to train on" if data["train_rows"] is not None else "a stream"
    table.add_row("data", rows, f"[dim]{count(data['test_rows'])} held out[/dim]")
    tokens = data.get("prompt_tokens")
    if tokens:
        listed = ", ".join(f"{name} {count(value)}" for name, value in tokens.items())
        table.add_row("prompt tokens", f"{count(tokens['median'])} in the median", f"[dim]{listed}[/dim]")
    return table


def _verdict(report: Report) -> Text:
    names = {ERROR: "error", WARNING: "warning", NOTE: "note"}
    counts = [(report.count(severity), name) for severity, name in names.items()]
    listed = ", ".join(f"{number} {name}{'s' * (number > 1)}" for number, name in counts if number)
    if report.count(ERROR):
        return Text(f"{listed}: this run would not work.", "bold red")
    if report.count(WARNING):
        return Text(f"{listed}: this run would work, perhaps not as meant.", "bold yellow")
    return Text(f"Nothing is wrong{f' ({listed})' if listed else ''}.", "bold green")
