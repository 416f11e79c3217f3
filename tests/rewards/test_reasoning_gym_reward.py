"""`reasoning_gym`: every task's own verifier, fed from what a row carries; model text is never run as code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from grpo_cli.data.builtin.reasoning_gym import reasoning_gym as make
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.reasoning_gym import _EXPRESSIONS, _LITERALS, may_be_evaluated, reasoning_gym

pytest.importorskip("reasoning_gym")
# Made of other tasks, so it needs options; the rest come with nothing but a size and a seed.
NEEDS_OPTIONS = {"composite"}


def tasks():
    from reasoning_gym.factory import DATASETS

    return sorted(set(DATASETS) - NEEDS_OPTIONS)


def test_there_are_more_than_a_hundred_tasks():
    assert len(tasks()) > 100


@pytest.mark.slow
@pytest.mark.parametrize("task", tasks())
def test_each_tasks_right_answer_scores_and_an_empty_one_does_not(task):
    for row in make(task, size=2, num_test=0, seed=1)["train"]:
        assert reasoning_gym("<answer> </answer>", row["entry"]) == 0.0
        assert reasoning_gym(f"<think>{row['answer']}</think>", row["entry"]) == 0.0
        if row["answer"]:
            assert reasoning_gym(f"<think>hm</think>\n<answer>\n{row['answer']}\n</answer>", row["entry"]) == 1.0


@pytest.mark.parametrize(
    "task", ["leg_counting", "countdown", "n_queens", "rearc", "time_intervals", "string_insertion"]
)
def test_right_wrong_and_partial(task):
    (row,) = make(task, size=1, num_test=0, seed=5)["train"]

    assert reasoning_gym(rf"so \boxed{{x}} <answer>{row['answer']}</answer>", row["entry"]) == 1.0
    assert reasoning_gym(row["answer"], row["entry"]) == 1.0
    assert reasoning_gym("<answer>no idea</answer>", row["entry"]) < 1.0
    assert reasoning_gym("<answer>no idea</answer>", row["entry"], partial=False) == 0.0
    assert reasoning_gym("", row["entry"]) == 0.0


@pytest.mark.slow
def test_scores_in_a_process_that_never_saw_the_data_set():
    (row,) = make("decimal_arithmetic", size=1, num_test=0, options={"decimal_arithmetic": {"max_terms": 2}})["train"]
    code = "import sys; from grpo_cli.rewards.reasoning_gym import reasoning_gym; print(reasoning_gym(*sys.argv[1:]))"

    done = subprocess.run(
        [sys.executable, "-c", code, row["answer"], row["entry"]],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "1.0"


@pytest.mark.parametrize("task", sorted(_LITERALS | _EXPRESSIONS))
@pytest.mark.parametrize(
    "attack",
    [
        "__import__('pathlib').Path('hacked').touch()",
        "open('hacked', 'w')",
        "[open('hacked', 'w')]",
        "sympify(\"open('hacked', 'w')\")",
        "(lambda: open('hacked', 'w'))()",
        "[x for x in (open('hacked', 'w'),)]",
        "().__class__.__base__.__subclasses__()",
    ],
)
def test_an_answer_is_never_run(task, attack, tmp_path, monkeypatch):
    (row,) = make(task, size=1, num_test=0)["train"]
    monkeypatch.chdir(tmp_path)

    assert reasoning_gym(f"<answer>{attack}</answer>", row["entry"]) == 0.0
    assert not (tmp_path / "hacked").exists()


def test_all_verifiers_that_evaluate_are_known():
    import reasoning_gym as package

    evaluating = set()
    for file in Path(package.__file__).parent.glob("*/*.py"):
        text = file.read_text(encoding="utf-8")
        for body in re.findall(r"def score_answer\(.*?(?=\n    def |\n\n\n|\Z)", text, re.DOTALL):
            if re.search(r"parse_expr\(answer|sympify\(answer|(?<![\w.])eval\(answer|exec\(", body):
                evaluating.add(file.stem)

    assert evaluating == set(_LITERALS | _EXPRESSIONS)


@pytest.mark.parametrize("answer", ["x**2/2 + 3*sin(x)", "3*(4+5)-6", "-x*exp(2*x)", "log(x) + C"])
def test_ordinary_expressions_may_be_evaluated(answer):
    assert may_be_evaluated("simple_integration", answer)


@pytest.mark.parametrize("entry", ["", None])
def test_a_row_of_another_source_is_left_out(entry):
    assert reasoning_gym("42", entry) is None


def test_a_column_that_is_something_else_is_told():
    with pytest.raises(ValueError, match="dataset=reasoning_gym"):
        reasoning_gym("42", '{"a": 1}')


def test_a_task_that_does_not_exist():
    with pytest.raises(ConfigError, match="no task 'leg_countin'; did you mean 'leg_counting'"):
        make("leg_countin")
    with pytest.raises(ConfigError, match="legs"):
        make("leg_counting", options={"leg_counting": {"legs": 3}})
    with pytest.raises(ConfigError, match=r"options\.gcd"):
        make("leg_counting", options={"gcd": {}})
    with pytest.raises(ConfigError, match="weight of gcd"):
        make({"gcd": 0})
    with pytest.raises(ConfigError, match="size"):
        make("gcd", size=-1)
