"""What the composer refuses (keys that do not exist, values out of range), as findings with fixes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from grpo_cli.config.fields import Field, show
from grpo_cli.config.schema import sections
from grpo_cli.config.values import problem
from grpo_cli.preflight.finding import Finding, from_sentence

_UNKNOWN = re.compile(r"([\w.]+): no such key.*; did you mean ([\w.]+)\?")
_RANGE = re.compile(r"([\w.]+) must be (?:at least|greater than) (\S+?)(?: and (?:at most|less than) (\S+?))?,")
_CHOICE = re.compile(r"([\w.]+) cannot be \S+; did you mean ([^?]+)\? Choices")
_WEIGHTS = re.compile(r"training\.reward_weights has \d+ weights for (\d+) rewards")
# Settings that contradict each other (`grpo_cli.config.validate`): how the sentence begins, what helps.
_TOGETHER = {
    "training.bf16 and training.fp16": ("training.fp16=false", "training.bf16=false"),
    "training.auto_find_batch_size": ("training.auto_find_batch_size=false",),
    "training.dataloader_prefetch_factor": (
        "training.dataloader_num_workers=2",
        "training.dataloader_prefetch_factor=null",
    ),
    "training.log_completions_hub_repo": ("training.log_completions=true", "training.log_completions_hub_repo=null"),
}
_INSTALL = re.compile(r"pip install (?:'[^']+'|[\w-]+)")
_WHY = "Nothing was composed any further, so what else may be wrong is not known yet."


def composition_findings(sentences: Sequence[str], argv: Sequence[str]) -> list[Finding]:
    """Turn the composer's sentences into findings.

    Args:
        sentences: what it refuses.
        argv: the command line, from which a misspelled key's value is taken.
    """
    found = []
    for sentence in sentences:
        finding = from_sentence("configuration", sentence, why=_WHY)
        if not finding.fixes:
            finding = replace(finding, fixes=tuple(dict.fromkeys(_fixes(sentence, argv))))
        if command := _INSTALL.search(sentence):
            finding = replace(finding, install=command[0])
        found.append(finding)
    return found


def _fixes(sentence: str, argv: Sequence[str]) -> list[str]:
    if unknown := _UNKNOWN.match(sentence):
        wrong, right = unknown[1], unknown[2]
        given = next((a.partition("=")[2] for a in argv if a.lstrip("+").startswith(f"{wrong}=")), None)
        return [] if given is None else [f"{right}={given}"]
    for beginning, fixes in _TOGETHER.items():
        if sentence.startswith(beginning):
            return list(fixes)
    if weights := _WEIGHTS.match(sentence):
        return [f"training.reward_weights=[{','.join(['1.0'] * int(weights[1]))}]", "training.reward_weights=null"]
    if choice := _CHOICE.match(sentence):
        return [f"{choice[1]}={choice[2]}"]
    if bounds := _RANGE.match(sentence):
        key, least, most = bounds.groups()
        field = _field(key)
        if field is None:
            return []
        # The nearest bound where it is allowed itself, and the default.
        values = [_number(text) for text in (least, most) if text] + [field.default]
        return [f"{key}={show(value)}" for value in values if problem(field, value) is None]
    return []


def _field(key: str) -> Field | None:
    section, _, name = key.rpartition(".")
    return sections().get(section, {}).get(name)


def _number(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
