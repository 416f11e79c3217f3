"""A batch of completions boiled down to the few numbers the rules need, in far less than a millisecond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

LOOKED_AT = 512
"""Completions of a batch that are looked at; more would tell the same and take longer."""

_COMPARED = 400


@dataclass(frozen=True)
class Digest:
    """What the completions of one training batch look like.

    Attributes:
        step: the optimizer step they were generated for.
        completions: how many were looked at.
        prompts: different prompts among them.
        empty: those without a single letter or digit.
        empty_reward: their mean reward; None where there are none.
        other_reward: the mean reward of the rest; None where there is none.
        commonest: how many share the most frequent text.
        commonest_prompts: different prompts that text answers.
        commonest_reward: its mean reward.
        rest_reward: the mean reward of all other texts; None where there are none.
        commonest_text: its first characters.
        answers: different reference answers of the prompts that text answers; 0 where rows have none.
    """

    step: int
    completions: int
    prompts: int
    empty: int
    empty_reward: float | None
    other_reward: float | None
    commonest: int
    commonest_prompts: int
    commonest_reward: float | None
    rest_reward: float | None
    commonest_text: str
    answers: int

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Digest:
        """Read back what `as_dict` gave."""
        return cls(**{f.name: plain[f.name] for f in fields(cls)})

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def text_of(message: Any) -> str:
    """The text of a prompt or completion: itself, or its last message's content."""
    if isinstance(message, str):
        return message
    content = message[-1].get("content") if message else ""
    return content if isinstance(content, str) else str(content or "")


def digest(records: Sequence[Mapping[str, Any]]) -> Digest | None:
    """Boil down the records of one generation (`runs/completions.py`); None where there are none."""
    records = records[:LOOKED_AT]
    if not records:
        return None
    texts = [text_of(r["completion"]).strip()[:_COMPARED] for r in records]
    is_empty = [not any(map(str.isalnum, text)) for text in texts]
    commonest, number = Counter(texts).most_common(1)[0]
    sharing = [r for r, text in zip(records, texts, strict=True) if text == commonest]
    return Digest(
        step=int(records[0].get("step") or 0),
        completions=len(records),
        prompts=len({r.get("group") for r in records}),
        empty=sum(is_empty),
        empty_reward=_mean_reward([r for r, empty in zip(records, is_empty, strict=True) if empty]),
        other_reward=_mean_reward([r for r, empty in zip(records, is_empty, strict=True) if not empty]),
        commonest=number,
        commonest_prompts=len({text_of(r.get("prompt"))[-_COMPARED:] for r in sharing}),
        commonest_reward=_mean_reward(sharing),
        rest_reward=_mean_reward([r for r, text in zip(records, texts, strict=True) if text != commonest]),
        commonest_text=commonest[:60],
        answers=len({a for r in sharing if (a := _answer(r)) is not None}),
    )


def _mean_reward(records: Sequence[Mapping[str, Any]]) -> float | None:
    """The mean of the summed rewards of those that have one."""
    values = [float(r["reward"]) for r in records if isinstance(r.get("reward"), int | float)]
    return sum(values) / len(values) if values else None


def _answer(record: Mapping[str, Any]) -> str | None:
    """The reference answer of a record's row, under the names rows usually have it."""
    columns = record.get("columns") or {}
    found = next((columns[key] for key in ("answer", "solution", "label", "target") if key in columns), None)
    return None if found is None else str(found)
