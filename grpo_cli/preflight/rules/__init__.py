"""The rules of the light part, a file per family; each rule is a small function from a `Situation` to findings.

A rule yields nothing where all is well, and may assume nothing about other rules. Every fix that only sets keys is
tried on the rule itself before it is shown, so that what is advised is known to satisfy it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from grpo_cli.preflight.finding import ERROR, SEVERITIES, Finding
from grpo_cli.preflight.rules import (
    batch,
    data_size,
    evaluation,
    files,
    hardware,
    loss,
    memory,
    packages,
    peft,
    resume,
    rollout,
    sampling,
    schedule,
    sharding,
    slurm,
    tracker,
    vllm,
)
from grpo_cli.preflight.situation import Situation

Rule = Callable[[Situation], Iterable[Finding]]

# In this order they are told.
RULES: tuple[Rule, ...] = (
    *files.RULES,
    *hardware.RULES,
    *sharding.RULES,
    *slurm.RULES,
    *batch.RULES,
    *data_size.RULES,
    *packages.RULES,
    *rollout.RULES,
    *vllm.RULES,
    *sampling.RULES,
    *loss.RULES,
    *schedule.RULES,
    *evaluation.RULES,
    *peft.RULES,
    *memory.RULES,
    *tracker.RULES,
    *resume.RULES,
)


def light_findings(situation: Situation) -> list[Finding]:
    """Run every rule that needs no torch.

    Args:
        situation: the configuration on its machine.

    Returns:
        The findings, errors first, each with fixes that satisfy the rule it came from.
    """
    found = [_with_working_fixes(finding, rule, situation) for rule in RULES for finding in rule(situation)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _with_working_fixes(finding: Finding, rule: Rule, situation: Situation) -> Finding:
    fixes = tuple(_working(finding, rule, situation))
    # An advice that sets right one of two problems of a rule is better than none.
    return replace(finding, fixes=fixes) if fixes else finding


def _working(finding: Finding, rule: Rule, situation: Situation) -> Iterator[str]:
    """The fixes after which the rule has nothing to say and no other rule has an error that it had not before."""
    before = _errors(situation)
    for fix in finding.fixes:
        changed = situation.changed(fix)
        if changed is None or (not _still(finding, rule(changed)) and _errors(changed) <= before):
            yield fix


def _still(finding: Finding, others: Iterable[Finding]) -> bool:
    """Whether the same is found again."""
    return any((other.code, other.key) == (finding.code, finding.key) for other in others)


def _errors(situation: Situation) -> set[str]:
    return {finding.code for rule in RULES for finding in rule(situation) if finding.severity == ERROR}
