"""What the doctor says: one finding, with the numbers it rests on and overrides to try."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

INFO, WARNING, ERROR = "info", "warning", "error"
SEVERITIES = (INFO, WARNING, ERROR)


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor noticed.

    Attributes:
        rule: which rule; stable, for machines and for `doctor.stop_on`.
        severity: "error" (the run does not recover by itself), "warning" (look at it), "info" (worth knowing).
        symptom: what is seen; one clause without a full stop.
        evidence: the numbers it rests on.
        cause: what it most likely comes from; one sentence.
        try_: overrides to try, the likeliest first; written as "try".
        about: what the finding is about where a rule can find several (a reward's name); else "".
        step: the optimizer step at which it was noticed.
    """

    rule: str
    severity: str
    symptom: str
    evidence: str
    cause: str
    try_: tuple[str, ...] = ()
    about: str = ""
    step: int = 0

    @property
    def sentence(self) -> str:
        """Symptom and evidence on one line.

        Example:
            >>> Finding("truncated", WARNING, "all completions are cut", "98 % over 5 steps", "Too short.").sentence
            'all completions are cut (98 % over 5 steps)'
        """
        return f"{self.symptom} ({self.evidence})"

    def as_dict(self) -> dict[str, Any]:
        """As it stands in `doctor.jsonl`, in the event stream and in `result.json`."""
        plain = asdict(self)
        del plain["try_"]
        if not self.about:
            del plain["about"]
        return {"step": plain.pop("step"), **plain, "try": list(self.try_)}
