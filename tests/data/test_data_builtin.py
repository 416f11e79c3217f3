"""The built-in data sets: right answers, splits that do not leak, the same rows from the same seed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from grpo_cli.data.builtin import addition, zen
from grpo_cli.data.builtin.addition import is_held_out
from grpo_cli.errors import ConfigError


def pairs(rows):
    return [tuple(map(int, re.findall(r"\b\d{3}\b", r["question"]))) for r in rows]


def test_addition_answers_are_the_sums():
    data = addition(num_train=200, num_test=50, seed=3)
    for rows in data.values():
        assert all(re.fullmatch(r"What is \d{3}\+\d{3}\?", r["question"]) for r in rows)
        assert [str(a + b) for a, b in pairs(rows)] == [r["answer"] for r in rows]


def test_addition_has_the_rows_asked_for_and_no_duplicates():
    data = addition(num_train=5000, num_test=1000, seed=1)
    assert [len(set(pairs(rows))) for rows in data.values()] == [5000, 1000]


def test_no_pair_is_on_both_sides_whatever_the_seed_and_the_order():
    train = {tuple(sorted(p)) for seed in range(3) for p in pairs(addition(5000, 0, seed)["train"])}
    test = {tuple(sorted(p)) for seed in range(3) for p in pairs(addition(0, 1000, seed)["test"])}
    assert not train & test


def test_the_side_of_a_pair_is_fixed_and_about_one_in_sixteen_is_held_out():
    assert all(is_held_out(a, b) == is_held_out(b, a) for a, b in pairs(addition(300, 300)["test"]))
    numbers = range(100, 1000, 7)
    share = sum(is_held_out(a, b) for a in numbers for b in numbers) / len(numbers) ** 2
    assert 0.055 < share < 0.07


def test_addition_repeats_with_its_seed_and_changes_with_it():
    assert addition(seed=5) == addition(seed=5)
    assert addition(seed=5)["train"] != addition(seed=6)["train"]
    assert addition(seed=5)["test"] != addition(seed=6)["test"]


def test_a_longer_list_begins_with_the_shorter_one():
    short, long = addition(50, 10), addition(500, 100)
    assert long["train"][:50] == short["train"]
    assert long["test"][:10] == short["test"]


@pytest.mark.parametrize(("count", "limit"), [({"num_train": -1}, "400000"), ({"num_test": 10**6}, "25000")])
def test_impossible_counts_are_refused_with_the_limit(count, limit):
    with pytest.raises(ConfigError, match=f"{next(iter(count))} is .*0 to {limit}"):
        addition(**count)


def test_zen_is_the_lines_of_the_hub_data_set():
    data = zen()
    assert [len(data["train"]), len(data["test"])] == [17, 2]
    assert data["train"][0] == {"prompt": "Beautiful is better than"}
    assert data["train"][12] == {"prompt": "There should be one-- and preferably"}
    assert data["train"][13]["prompt"].endswith("unless you're")
    assert [r["prompt"] for r in data["test"]] == [
        "If the implementation is easy",
        "Namespaces are one honking great",
    ]


def test_the_built_in_data_prints_nothing_and_loads_nothing_heavy():
    code = (
        "import sys; from grpo_cli.data.builtin import addition, zen; addition(10, 10); zen();"
        "assert not {'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
