from __future__ import annotations

import inspect

import pytest

from grpo_cli.data.builtin.code import code
from grpo_cli.data.builtin.code_tasks import INPUTS
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.code_tests import code_tests


def test_the_tasks_are_split_and_the_same_for_a_seed():
    rows = code()
    assert (len(rows["train"]), len(rows["test"])) == (18, 6)
    questions = {row["question"] for split in rows.values() for row in split}
    assert len(questions) == 24
    assert code() == rows
    assert code(seed=1) != rows
    assert {row["question"] for row in code(seed=1)["test"]} == {row["question"] for row in rows["test"]}


def test_every_solution_passes_its_own_tests_here():
    solutions = {task.__name__: task for task in INPUTS}
    for row in [row for split in code(num_tests=40).values() for row in split]:
        assert len(row["tests"]) >= 15
        for test in row["tests"]:
            exec(test, dict(solutions))


def test_no_constant_answers_a_task():
    for row in [row for split in code().values() for row in split]:
        assert len({test.rpartition(" ")[2] for test in row["tests"]}) > 1, row


def test_a_solution_scores_in_the_sandbox_and_another_tasks_does_not():
    tasks = {task.__name__: task for task in INPUTS}
    rows = {name: row for row in code()["train"] for name in tasks if f"`{name}(" in row["question"]}
    answer = f"```python\n{inspect.getsource(tasks['run_lengths'])}```"
    assert code_tests(answer, rows["run_lengths"]["tests"]) == 1.0
    assert code_tests(answer, rows["caesar"]["tests"]) == 0.0


@pytest.mark.parametrize("count", [0, 101])
def test_a_number_of_tests_out_of_range_is_refused(count):
    with pytest.raises(ConfigError, match="num_tests"):
        code(num_tests=count)
