"""Optional packages that the configuration needs, each with the command that installs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from grpo_cli.launch.elsewhere import is_elsewhere
from grpo_cli.preflight.finding import WARNING, Finding, from_sentence
from grpo_cli.preflight.packages import package_problems
from grpo_cli.preflight.situation import Situation

_WHY = "transformers and TRL look for it only once the model is loaded."


def missing(situation: Situation) -> Iterator[Finding]:
    """What is asked for and not installed; names of trackers that do not exist."""
    for sentence in package_problems(situation.config, situation.on_cpu, situation.installed):
        finding = from_sentence("packages.missing", sentence, why=_WHY)
        if command := re.search(r"pip install [\w-]+", sentence):
            # What is installed on a machine that a dry run makes up is not known.
            severity = WARNING if is_elsewhere(situation.hardware) else finding.severity
            finding = replace(finding, install=command[0], severity=severity)
        else:  # no such tracker
            meant = re.search(r"did you mean '(\w+)'", sentence)
            fixes = (*((f"training.report_to={meant[1]}",) if meant else ()), "training.report_to=none")
            finding = replace(finding, code="packages.tracker_name", fixes=fixes, why="There is no such integration.")
        yield finding


RULES = (missing,)
