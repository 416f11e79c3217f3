"""Everything grpo-check has to say about one configuration, as an object; rendering is in `render`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.errors import EXIT_CONFIG, EXIT_DONE, EXIT_FAILED
from grpo_cli.forecast.measured import Measurement
from grpo_cli.forecast.memory import Forecast, Setup, forecast
from grpo_cli.forecast.savings import Saving, savings
from grpo_cli.forecast.setup import available, setup_of
from grpo_cli.forecast.shape import shape_of
from grpo_cli.forecast.time import TimeForecast, from_earlier
from grpo_cli.preflight.arithmetic import Arithmetic, arithmetic
from grpo_cli.preflight.finding import ERROR, NOTE, SEVERITIES, WARNING, Finding
from grpo_cli.preflight.rules import light_findings
from grpo_cli.preflight.situation import Situation


@dataclass
class Report:
    """What was found.

    Attributes:
        findings: errors first.
        arithmetic: the numbers of the run; None where they cannot be worked out.
        setup: what the forecast rests on; None where the model's config is not on this machine.
        forecast: memory of one process.
        savings: overrides that would save memory.
        available: bytes that a process may use; None where that is not known.
        data: what the data part measured; None where it did not run.
        time: how long the run will take; None where neither a probe nor an earlier run tells.
        measured: what a probe measured; None where none ran, or it did not end well.
    """

    findings: list[Finding]
    arithmetic: Arithmetic | None = None
    setup: Setup | None = None
    forecast: Forecast | None = None
    savings: list[Saving] = field(default_factory=list)
    available: float | None = None
    data: dict[str, Any] | None = None
    time: TimeForecast | None = None
    measured: Measurement | None = None

    @property
    def tight(self) -> bool:
        """Whether the forecast takes so much of the memory that what would save some is of interest."""
        return self.forecast is not None and (not self.available or self.forecast.peak > 0.4 * self.available)

    def count(self, severity: str) -> int:
        """How many findings are of this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def exit_code(self, strict: bool = False) -> int:
        """0 nothing wrong, 1 warnings and `strict`, 2 errors."""
        if self.count(ERROR):
            return EXIT_CONFIG
        return EXIT_FAILED if strict and self.count(WARNING) else EXIT_DONE

    def as_dict(self, strict: bool = False) -> dict[str, Any]:
        """For `--json`."""
        memory = None
        if self.forecast:
            saved = [{"override": s.override, "bytes": round(s.bytes), "costs": s.costs} for s in self.savings]
            available = round(self.available) if self.available else None
            memory = {"source": "forecast", **self.forecast.as_dict(), "available_bytes": available, "savings": saved}
        return {
            "exit_code": self.exit_code(strict),
            "counts": {severity: self.count(severity) for severity in (ERROR, WARNING, NOTE)},
            "findings": [finding.as_dict() for finding in self.findings],
            "arithmetic": self.arithmetic.as_dict() if self.arithmetic else None,
            "memory": memory,
            "time": self.time.as_dict() if self.time else None,
            "data": self.data,
            "probe": self.measured.as_dict() if self.measured else None,
        }

    def add(self, findings: list[Finding]) -> None:
        """Take further findings in, errors first."""
        self.findings = sorted([*self.findings, *findings], key=lambda f: SEVERITIES.index(f.severity))


def light_report(situation: Situation) -> Report:
    """The light part: every rule, the arithmetic, the forecast.

    Args:
        situation: the configuration on its machine.
    """
    report = Report(light_findings(situation), arithmetic(situation))
    forecast_into(report, situation)
    report.time = expected_time(situation, report.arithmetic)
    return report


def expected_time(situation: Situation, numbers: Arithmetic | None) -> TimeForecast | None:
    """How long the run will take by earlier ones of the same shape.

    Args:
        situation: the configuration on its machine.
        numbers: its arithmetic.
    """
    if numbers is None:
        return None
    shape = shape_of(
        situation.config,
        situation.hardware,
        kind=situation.kind,
        world_size=situation.world_size,
        gpus=situation.gpus,
    )
    return from_earlier(shape, Path(str(situation.config["paths"]["output_dir"])), numbers.total_steps)


def forecast_into(report: Report, situation: Situation, prompt_tokens: int | None = None) -> None:
    """Put the memory forecast into a report.

    Args:
        report: gets it.
        situation: the configuration on its machine.
        prompt_tokens: the longest prompt, where it was measured.
    """
    # Among how many processes a launch that cannot be shares the model out is not known.
    if situation.refused and str(situation.config["launch"].get("sharding") or "none") != "none":
        return
    setup = setup_of(situation, prompt_tokens)
    if setup:
        report.setup, report.forecast, report.savings = setup, forecast(setup), savings(setup)
        report.available = available(situation)
