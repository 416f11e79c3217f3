"""`dataset=reasoning_gym`: what is made, from which seed, and that it can be trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from grpo_cli.data.builtin.reasoning_gym import pack_entry, reasoning_gym, unpack_entry
from grpo_cli.data.check import required_data_files
from grpo_cli.data.load import load_data

pytest.importorskip("reasoning_gym")
CONF = Path(__file__).parents[2] / "conf" / "dataset" / "reasoning_gym.yaml"


def config(**keys):
    return {**OmegaConf.to_container(OmegaConf.load(CONF)), **keys}


def test_seed_and_split():
    rows = reasoning_gym("chain_sum", size=50, num_test=20, seed=3)
    again = reasoning_gym("chain_sum", size=60, num_test=20, seed=3)
    other = reasoning_gym("chain_sum", size=50, num_test=20, seed=4)
    questions = {split: {row["question"] for row in made} for split, made in rows.items()}

    assert (len(rows["train"]), len(rows["test"])) == (50, 20)
    assert not questions["train"] & questions["test"]
    assert again["test"] == rows["test"] and again["train"][:50] == rows["train"]
    assert not questions["train"] & {row["question"] for split in other.values() for row in split}


def test_a_mixture_has_its_weights_and_is_shuffled():
    rows = reasoning_gym({"gcd": 2, "lcm": 1}, size=31, num_test=3)["train"]

    assert Counter(row["task"] for row in rows) == {"gcd": 21, "lcm": 10}
    assert len({row["task"] for row in rows[:10]}) == 2
    assert Counter(row["task"] for row in reasoning_gym(["gcd", "lcm"], size=10)["train"]) == {"gcd": 5, "lcm": 5}


def test_a_tasks_own_settings():
    rows = reasoning_gym("leg_counting", size=20, num_test=0, options={"leg_counting": {"max_animals": 3}})["train"]

    assert all(unpack_entry(row["entry"])[2]["metadata"]["num_animals"] <= 3 for row in rows)


def test_entries_come_back_as_they_were():
    entry = {"question": "é\ud800", "metadata": {"a": (1, (2, [3, (4,)])), 5: {"__tuple__": 6}, "b": None, "c": 1.5}}

    assert unpack_entry(pack_entry("t", {"x": 1}, entry)) == ("t", {"x": 1}, entry)


def test_short_keys_of_the_config_reach_the_generator(tokenizer):
    cfg = config(task=["gcd", "rubiks_cube"], size=10, seed=7, generator_kwargs={"num_test": 4})

    assert required_data_files(cfg) == []
    data = load_data(cfg, tokenizer=tokenizer, seed=42)
    assert (len(data.train), len(data.test)) == (10, 4)
    assert {"prompt", "answer", "task", "entry"} <= set(data.train.column_names)
    assert "<answer>" in data.train[0]["prompt"][0]["content"]
    made = {row["question"] for row in reasoning_gym(["gcd", "rubiks_cube"], size=10, num_test=4, seed=7)["train"]}
    assert {messages[-1]["content"] for messages in data.train["prompt"]} == made


def test_short_keys_that_mean_nothing_are_told(write_rows):
    assert "dataset.task: grpo_cli.data.builtin.addition:addition has no argument 'task'" in " ".join(
        required_data_files({"generator": "grpo_cli.data.builtin.addition:addition", "task": "gcd"})
    )
    problems = required_data_files({"path": str(write_rows([{"prompt": "a"}])), "size": 3})
    assert len(problems) == 1 and "dataset.size is for rows from a generator" in problems[0]
