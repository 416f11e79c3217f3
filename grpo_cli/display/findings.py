"""The doctor's findings, as lines and in the live view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, WARN, line
from grpo_cli.display.scene import Scene

SHOWN = 2
"""Findings that the live view has room for: the latest; plain output and the summary show all."""


def finding_lines(finding: Mapping[str, Any]) -> list[str]:
    """A finding as lines: what is seen, what it rests on and comes from, what to try.

    Args:
        finding: as in `doctor.jsonl`.
    """
    symptom, evidence, cause = (fmt.one_line(str(finding.get(key) or "")) for key in ("symptom", "evidence", "cause"))
    lines = [f"doctor, step {finding.get('step', 0)}: {symptom} ({evidence})", f"  {cause}  [{finding.get('rule')}]"]
    if tries := [fmt.one_line(str(override)) for override in finding.get("try") or ()]:
        lines.append(f"  try {', or '.join(tries)}")
    return lines


def findings(scene: Scene) -> RenderableType | None:
    """The latest findings, each with what to try."""
    told = scene.state.findings
    if not told:
        return None
    glyph, rows = scene.glyphs.warn, list[Text]()
    for finding in told[-SHOWN:]:
        style = {"error": BAD, "warning": WARN}.get(str(finding.get("severity")), ACCENT)
        symptom, evidence = fmt.one_line(str(finding.get("symptom"))), fmt.one_line(str(finding.get("evidence")))
        rows.append(
            line((f"{glyph} {symptom}", f"{BOLD} {style}"), (f"  step {finding.get('step', 0)}: {evidence}", DIM))
        )
        if tries := [fmt.one_line(str(override)) for override in finding.get("try") or ()]:
            rows.append(line(("  try ", DIM), (f" {scene.glyphs.dot} ".join(tries), style)))
        else:
            rows.append(line((f"  {fmt.one_line(str(finding.get('cause')))}", DIM)))
    if len(told) > SHOWN:
        rows.append(line((f"  and {len(told) - SHOWN} more, in doctor.jsonl", DIM)))
    return Group(*rows)
