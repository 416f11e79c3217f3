"""Columns of `evaluation.tags` that no local data set has, refused before a worker starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grpo_cli.preflight.rules import light_findings

OWN = ["dataset=rows.jsonl", "training.per_device_train_batch_size=8"]


@pytest.fixture
def tags_found(tmp_path: Path, situate: Callable) -> Callable[..., list[tuple[str, tuple[str, ...]]]]:
    """What is said of tags, with the fixes."""
    row = '{"prompt": "1+1?", "answer": "2", "level": "easy"}\n'
    (tmp_path / "rows.jsonl").write_text(row * 40 + '{"prompt": "2+2?", "answer": "4", "late": "x"}\n')
    (tmp_path / "hard.csv").write_text("prompt,answer,topic\n3+3?,6,sums\n")

    def found(*overrides: str) -> list[tuple[str, tuple[str, ...]]]:
        findings = light_findings(situate(*overrides))
        return [(f.sentence, f.fixes) for f in findings if f.code == "evaluation.tags"]

    return found


def test_a_column_that_no_file_has_is_refused_with_the_nearest(tags_found: Callable) -> None:
    (told,) = tags_found(*OWN, "evaluation.datasets=[hard.csv]", "evaluation.tags=[levle,topic]")
    assert told == (
        "evaluation.tags: no data set has a column 'levle'; did you mean 'level'? Columns: answer, late, level, topic.",
        ("evaluation.tags=[level,topic]",),
    )
    (told,) = tags_found("evaluation.held_out=false", "evaluation.datasets=[hard.csv]", "evaluation.tags=[level]")
    assert told[0] == "evaluation.tags: no data set has a column 'level'. Columns: answer, topic."


@pytest.mark.parametrize(
    "overrides",
    [
        [*OWN, "evaluation.tags=[level,late]"],  # one of them in the last row only
        [*OWN, "dataset.columns.difficulty=level", "evaluation.tags=[difficulty]"],
        ["evaluation.datasets=[hard.csv]", "evaluation.tags=[level]"],  # the generator's columns are not known here
        ["dataset=openai/gsm8k", "evaluation.tags=[level]"],
        [
            "+dataset.mixture.a=rows.jsonl",
            "+dataset.mixture.b=hard.csv",
            "dataset.generator=null",
            "evaluation.tags=[topic]",
        ],
    ],
)
def test_what_a_data_set_has_or_may_have_passes(tags_found: Callable, overrides: list[str]) -> None:
    assert tags_found(*overrides) == []
