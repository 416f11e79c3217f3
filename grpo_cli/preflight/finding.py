"""What a check says: one finding, with what is wrong, why it matters, and overrides that put it right."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)

_OVERRIDE = r"~?[a-z_]+(?:\.[\w<>]+)*=(?:'[^']*'|\[[^\]]*\]|[^\s,;()]*[^\s,;().?])"
_ADVICE = re.compile(rf"(?:write |or |; )({_OVERRIDE}(?: {_OVERRIDE})*)")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        code: which rule, as `family.name`; stable, for machines.
        severity: "error" (the run would fail or train nothing), "warning" (it would run, and not do what was
            meant) or "note" (worth knowing).
        key: the configuration key it is about.
        what: what is wrong, in one clause without a full stop.
        why: why that matters; a sentence, or "".
        fixes: ways to put it right, the nearest first; each is overrides to paste, separated by blanks.
        install: a command that puts it right instead, where there is one.
        said: the whole sentence as grpo-train says it, where it is not built out of `what` and `fixes`.
    """

    code: str
    severity: str
    key: str
    what: str
    why: str = ""
    fixes: tuple[str, ...] = ()
    install: str | None = None
    said: str | None = None

    @property
    def sentence(self) -> str:
        """One sentence for a terminal: what is wrong, and what to write instead.

        Example:
            >>> Finding("a.b", ERROR, "seed", "seed=x is wrong", fixes=("seed=1", "seed=2")).sentence
            'seed=x is wrong; write seed=1 or seed=2.'
        """
        if self.said:
            return self.said
        return f"{self.what}; write {' or '.join(self.fixes)}." if self.fixes else f"{self.what}."

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        plain = {key: value for key, value in asdict(self).items() if key != "said"}
        return plain | {"fixes": list(self.fixes), "sentence": self.sentence}


def from_sentence(code: str, sentence: str, severity: str = ERROR, why: str = "") -> Finding:
    """A finding out of a sentence that the composer already has; the overrides it advises become its fixes.

    Args:
        code: the rule.
        sentence: what is wrong, where, and "write key=value" for what to write instead.
        severity: how bad.
        why: why it matters.

    Example:
        >>> from_sentence("launch.plan", "launch=multi_gpu needs a GPU; write launch=cpu or launch=auto.").fixes
        ('launch=cpu', 'launch=auto')
    """
    fixes = tuple(fix for fix in _ADVICE.findall(sentence) if "<" not in fix and "…" not in fix)
    key = re.match(r"[a-z_]+(?:\.\w+)*(?=[\s=:,])", sentence)
    what = sentence.partition("; write ")[0] if fixes else sentence
    return Finding(code, severity, key[0] if key else "", what.rstrip("."), why, fixes, said=sentence)
