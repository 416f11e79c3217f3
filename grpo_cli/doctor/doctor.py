"""The doctor itself: takes in a run's records as they come, and says each thing once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import SEVERITIES, Finding
from grpo_cli.doctor.history import History
from grpo_cli.doctor.rules import RULES


class Doctor:
    """Watches one run.

    A finding is told once, and once more where it has become worse (a warning that is now an error).

    Args:
        facts: what it knows of the run's settings.
        settings: the `doctor` section.
        told: what an earlier session of the run has been told already, as in `doctor.jsonl`.
    """

    def __init__(
        self,
        facts: Facts | None = None,
        settings: DoctorConfig | None = None,
        told: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.facts = facts or Facts()
        self.settings = settings or DoctorConfig()
        self.history = History()
        self._told = {(str(f.get("rule")), str(f.get("about") or "")): str(f.get("severity")) for f in told}

    def remember(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take in what an earlier session of the run recorded, without saying anything about it."""
        for record in records:
            self.history.add(record)

    def metrics(self, record: Mapping[str, Any]) -> list[Finding]:
        """Take in one record of metrics.jsonl and say what is new.

        Returns:
            The findings that have not been told yet.
        """
        if not self.history.add(record):
            return []
        found = []
        for rule in RULES.values():
            for finding in rule(self.history, self.facts, self.settings):
                key = (finding.rule, finding.about)
                if key not in self._told or _worse(finding.severity, self._told[key]):
                    self._told[key] = finding.severity
                    found.append(dataclasses.replace(finding, step=self.history.step))
        return found

    def completions(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take in the completions of one training batch."""
        self.history.add_completions(records)

    def stops(self, finding: Finding) -> bool:
        """Whether the run is to end for a finding (`doctor.stop_on`)."""
        return finding.rule in self.settings.stop_on


def settings_of(section: Mapping[str, Any] | None) -> DoctorConfig:
    """The `doctor` section of a frozen configuration; a run from before there was one has the defaults."""
    names = {f.name for f in dataclasses.fields(DoctorConfig)}
    return DoctorConfig(**{key: value for key, value in (section or {}).items() if key in names})


def _worse(severity: str, than: str) -> bool:
    return than in SEVERITIES and SEVERITIES.index(severity) > SEVERITIES.index(than)
