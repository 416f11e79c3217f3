"""Whether the data's own answers would be rewarded: one that the reward cannot parse is a prompt without signal."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.evaluation.metrics import CORRECT
from grpo_cli.preflight.finding import WARNING, Finding

_MOST = 2000  # rows tried
# How a right answer may be written; a reward that finds none of them right cannot read the answer.
_FORMS = ("{}", "<answer>{}</answer>", "\\boxed{{{}}}", "The answer is {}.", "#### {}")
_ANSWERS = ("answer", "solution", "ground_truth", "gold", "label", "target", "reference")
# Whole solutions in the answer column, by how they end: what finds the answer in them.
_SOLUTIONS = ((r"####\s*\S", r"####\s*(.+)"), (r"\\boxed\{", r"\\boxed\{(.+)\}"))


@dataclass
class Gold:
    """How a reward scored the data's own answers.

    Attributes:
        reward: its name.
        column: where the answers stand.
        tried: rows looked at.
        wrong: answers that it does not find right, some of them.
        number: how many there are.
    """

    reward: str
    column: str
    tried: int
    number: int = 0
    wrong: list[Any] = field(default_factory=list)


def score_gold(reward: Any, rows: Sequence[Mapping[str, Any]], seed: int) -> Gold | None:
    """Score each row's own answer with a reward that tells right from wrong.

    Args:
        reward: a `grpo_cli.rewards.reward.Reward`.
        rows: prepared rows (`prompt` and the other columns).
        seed: of the sample that is tried.

    Returns:
        What was found; None where the reward judges by no column with an answer, as one that runs tests does.
    """
    if not rows:
        return None
    column = next((c for c in _ANSWERS if c in reward.columns and c in rows[0]), None)
    if column is None:
        return None
    if len(rows) > _MOST:
        rows = random.Random(seed).sample(list(rows), _MOST)
    best: list[float | None] = [None] * len(rows)
    others = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    prompts = [row["prompt"] for row in rows]
    for form in _FORMS:
        texts = [form.format("" if row[column] is None else row[column]) for row in rows]
        completions = [
            [{"role": "assistant", "content": text}] if isinstance(prompt, list) else text
            for prompt, text in zip(prompts, texts, strict=True)
        ]
        scores = reward(prompts=prompts, completions=completions, completion_ids=[[0]] * len(rows), **others)
        scores = asyncio.run(_await(scores)) if inspect.isawaitable(scores) else scores
        best = [b if s is None else s if b is None else max(b, s) for b, s in zip(best, scores, strict=True)]
        if all(b is not None and b >= CORRECT for b in best):
            break
    bad = [row[column] for row, b in zip(rows, best, strict=True) if b is None or b < CORRECT]
    return Gold(reward.__name__, column, len(rows), len(bad), bad[:5])


def gold_findings(gold: Gold, answers: Sequence[Any]) -> list[Finding]:
    """Say which answers the reward cannot read, and where answers are whole solutions.

    Args:
        gold: what `score_gold` found.
        answers: answers as they stand in the data.
    """
    found = []
    if gold.number:
        share = gold.number / gold.tried
        shown = ", ".join(repr(_short(answer)) for answer in gold.wrong[:3])
        empty = all(answer is None or not str(answer).strip() for answer in gold.wrong)
        fixes = ("dataset.on_missing_answer=drop",) if empty else _patterns(gold.wrong)
        found.append(
            Finding(
                "data.gold",
                WARNING,
                f"reward.{gold.reward}",
                f"reward {gold.reward} does not find {gold.number} of {gold.tried} answers of the data right "
                f"({share:.0%}): {shown}",
                f"The column '{gold.column}' was given to it as the completion, plain, in <answer>, in \\boxed and "
                "others. No completion of the model will be right for such a row, and its groups teach nothing.",
                fixes,
            )
        )
    elif answers and (fixes := _patterns([str(a) for a in answers[:200]])):
        found.append(
            Finding(
                "data.solutions",
                WARNING,
                f"dataset.columns.{gold.column}",
                f"the column '{gold.column}' holds whole solutions, not answers: {_short(answers[0])!r}",
                "A completion would have to repeat the solution to be right.",
                fixes,
            )
        )
    return found


def _patterns(answers: Sequence[Any]) -> tuple[str, ...]:
    """The `dataset.answer_pattern` that finds an answer in nearly all of these texts."""
    texts = [str(answer) for answer in answers if answer is not None]
    for sign, pattern in _SOLUTIONS:
        if texts and sum(bool(re.search(sign, text)) for text in texts) >= 0.9 * len(texts):
            return (f"dataset.answer_pattern='{pattern}'",)
    return ()


def _short(value: Any, most: int = 60) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


async def _await(awaitable: Any) -> Any:
    return await awaitable
