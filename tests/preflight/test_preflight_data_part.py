"""The data part: tokenizer and rows are loaded, the model is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grpo_cli.preflight.data import add_data_part
from grpo_cli.preflight.finding import NOTE
from grpo_cli.preflight.report import Report, light_report

THINKING = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% if enable_thinking is not defined or enable_thinking %}<think>\n"
    "{% endif %}{% endif %}"
)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"What is {100 + i}+{i}?", "answer": str(100 + 2 * i), **more} for i in range(number)]


@pytest.fixture
def report(situate: Callable) -> Callable[..., Report]:
    def run(*overrides: str, **facts: Any) -> Report:
        situation = situate(*overrides, **facts)
        made = light_report(situation)
        add_data_part(made, situation)
        return made

    return run


def codes(made: Report) -> set[str]:
    return {finding.code for finding in made.findings if finding.severity != NOTE}


def test_the_default_is_measured_and_right(report: Callable) -> None:
    made = report()
    assert made.findings == []
    assert (made.data["train_rows"], made.data["test_rows"]) == (4096, 256)
    assert made.data["prompt_tokens"]["max"] == 19 and made.setup.prompt == 19
    assert made.data["example"].endswith("<|im_start|>assistant\n") and "What is " in made.data["example"]
    assert made.data["gold"] == {"exact_match": {"tried": 2000, "wrong": 0}}


def test_prompts_that_leave_no_room_for_the_completion(
    report: Callable, tmp_path: Path, findings: Callable, pasted: Callable
) -> None:
    data = rows(100)
    data[3]["prompt"] = "very " * 90 + data[3]["prompt"]
    write(tmp_path / "rows.jsonl", data)
    command = ["dataset=rows.jsonl", "dataset.test_size=20", "training.max_completion_length=256"]
    made = report(*command)
    (found,) = [finding for finding in made.findings if finding.code == "data.context"]
    assert made.data["over_context"] == 1 and "1 of 100 prompts" in found.what
    assert len(found.fixes) == 2
    for fix in found.fixes:
        assert "data.context" not in codes(report(*pasted(command, fix)))


def test_a_template_that_opens_think_is_told(report: Callable, tmp_path: Path) -> None:
    (tmp_path / "think.jinja").write_text(THINKING)
    (tmp_path / "mine.py").write_text("def form(completion):\n    return float('<think>' in completion)\n")
    mine = ["model.chat_template=think.jinja", "reward.form.target=mine.py:form"]
    (found,) = [finding for finding in report(*mine).findings if finding.code == "data.opens_think"]
    assert found.severity == "warning" and "form" in found.what
    assert "data.opens_think" not in codes(report(*mine, found.fixes[0]))
    built_in = report("model.chat_template=think.jinja", "reward=[exact_match,format]")
    assert [f.severity for f in built_in.findings if f.code == "data.opens_think"] == ["note"]


def test_duplicates_and_leaks_are_told(report: Callable, tmp_path: Path) -> None:
    train = rows(60)
    train += [dict(train[0]) for _ in range(10)]
    held_out = [{"prompt": train[5]["prompt"], "answer": "110"}, {"prompt": "WHAT IS 106 + 6 ?", "answer": "112"}]
    write(tmp_path / "rows.jsonl", train)
    write(tmp_path / "held.jsonl", held_out)
    command = ["dataset=rows.jsonl", "dataset.test_path=held.jsonl", "dataset.overlap=keep"]
    made = report(*command)
    assert codes(made) == {"data.duplicates", "data.leak_exact", "data.leak_normalised"}
    assert made.data["leaks"] == {"exact": 1, "normalised": 1, "near": 0} and made.data["duplicates"] == 10
    assert "data.leak_exact" not in codes(report(*command[:2], "dataset.overlap=drop"))


def test_answers_that_the_reward_cannot_read(report: Callable, tmp_path: Path) -> None:
    data = rows(40)
    for row in data[:10]:
        row["answer"] = ""
    write(tmp_path / "rows.jsonl", data)
    made = report("dataset=rows.jsonl", "dataset.on_missing_answer=keep")
    (found,) = [finding for finding in made.findings if finding.code == "data.gold"]
    assert found.severity == "warning" and "10 of 40" in found.what
    assert found.fixes == ("dataset.on_missing_answer=drop",)


def test_whole_solutions_in_the_answer_column(report: Callable, tmp_path: Path, pasted: Callable) -> None:
    write(tmp_path / "rows.jsonl", [{**row, "answer": f"We add.\n#### {row['answer']}"} for row in rows(40)])
    made = report("dataset=rows.jsonl")
    (found,) = [finding for finding in made.findings if finding.code in ("data.solutions", "data.gold")]
    (fix,) = found.fixes
    assert fix == r"dataset.answer_pattern='####\s*(.+)'"
    assert codes(report("dataset=rows.jsonl", fix)) == set()


def test_a_missing_column_and_unreadable_rows_are_told(report: Callable, tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", [{"prompt": row["prompt"]} for row in rows(40)])
    made = report("dataset=rows.jsonl")
    assert codes(made) == {"data.reward"} and "needs the column 'answer'" in made.findings[0].what
    (tmp_path / "late.jsonl").write_text('{"prompt": "a", "answer": "1"}\n' * 40 + "{\n")
    made = report("dataset=late.jsonl")
    assert codes(made) == {"data.load"} and "line 41 is not JSON" in made.findings[0].what


def test_too_few_rows_from_a_generator_of_ones_own(report: Callable, tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text("def few():\n    return [{'prompt': str(i), 'answer': '1'} for i in range(4)]\n")
    made = report("dataset=generator", "dataset.generator=few.py:few", "dataset.test_size=0")
    assert "data.zero_steps" in codes(made)


def test_a_reward_that_judges_by_no_answer_is_not_asked(report: Callable, tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", rows(40))
    (tmp_path / "mine.py").write_text("def nothing(completion):\n    return 0.0\n")
    made = report("dataset=rows.jsonl", "reward.mine.target=mine.py:nothing", "reward.mine.correctness=true")
    assert codes(made) == set() and set(made.data["gold"]) == {"exact_match"}
