"""The rules of the light part, a file per family; each rule is a small function from a `Situation` to findings.

A rule yields nothing where all is well, and may assume nothing about other rules. Every fix that only sets keys is
tried on all rules before it is shown: what it makes necessary elsewhere is added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from grpo_cli.preflight.finding import NOTE, SEVERITIES, Finding
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
_DEPTH = 2  # overrides that a fix may need beside its own

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
    before = _serious(situation)
    fixes = dict.fromkeys(filter(None, (_completed(fix, finding, situation, before) for fix in finding.fixes)))
    # An advice that sets right one of two problems of a rule is better than none.
    return replace(finding, fixes=tuple(fixes)) if fixes else finding


def _completed(
    fix: str, finding: Finding, situation: Situation, before: set[tuple[str, str]], depth: int = _DEPTH
) -> str | None:
    """A fix with what else it makes necessary, so that pasting it leaves nothing new to put right.

    Args:
        fix: overrides, separated by blanks.
        finding: what it is to put right.
        situation: where.
        before: what was found there, which is not the fix's business.
        depth: how many further overrides may be added.

    Returns:
        The overrides; None where no such group is found. A fix that does more than set keys is taken as it is.
    """
    changed = situation.changed(fix)
    if changed is None:
        return fix
    own = (finding.code, finding.key)
    left = [f for f in _all(changed) if f.severity != NOTE or (f.code, f.key) == own]
    left = [f for f in left if (f.code, f.key) == own or (f.code, f.key) not in before]
    if not left:
        return fix
    if depth == 0 or left[0].code == finding.code:
        return None
    for further in left[0].fixes:
        whole = _completed(_together(fix, further), finding, situation, before, depth - 1)
        if whole is not None and situation.changed(whole) is not None:
            return whole
    return None


def _together(fix: str, further: str) -> str:
    """Overrides of both; where both set a key, the later one."""
    return " ".join({part.partition("=")[0]: part for part in (*fix.split(), *further.split())}.values())


def _all(situation: Situation) -> Iterator[Finding]:
    return (finding for rule in RULES for finding in rule(situation))


def _serious(situation: Situation) -> set[tuple[str, str]]:
    return {(finding.code, finding.key) for finding in _all(situation) if finding.severity != NOTE}
