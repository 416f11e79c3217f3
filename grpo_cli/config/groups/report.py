"""`report`: the page about a run that lies in its folder."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class ReportConfig:
    """When report.html is written, and how much goes in; `grpo-report` writes it at any time."""

    enabled: bool = option(True, help="Write report.html when the run ends, in whatever way.")
    every: float | None = option(
        None, help="Seconds after which it is written anew while the run goes on; null: only at the end."
    )
    max_mb: float | None = option(
        200.0,
        help="Most MB of completions taken in, evaluations first; of more, every n-th step. null: all of them.",
    )
