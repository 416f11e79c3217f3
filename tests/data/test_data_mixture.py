from collections import Counter

import pytest

from grpo_cli.data.load import load_data
from grpo_cli.errors import ConfigError


@pytest.fixture
def two(write_rows):
    """Two sources of 300 and 60 rows with columns of their own."""
    big = write_rows([{"question": f"big {i}", "answer": i, "source": "web"} for i in range(300)], "big.jsonl")
    small = write_rows([{"prompt": f"small {i}", "answer": f"{i}!", "hint": "h"} for i in range(60)], "small.jsonl")
    return {"big": {"path": big, "columns": {"prompt": "question"}, "weight": 3}, "small": {"path": small}}


def test_sources_are_drawn_by_weight_each_with_its_own_columns(two, plain_tokenizer):
    data = load_data({"mixture": two, "test_size": 5}, tokenizer=plain_tokenizer, seed=1)
    drawn = Counter(data.train["source"])
    assert 2 < drawn["big"] / drawn["small"] < 4.5
    assert data.info["train"]["by_source"] == drawn
    assert len(set(data.train["prompt"])) == len(data.train)  # no row twice
    row = next(row for row in data.train if row["source"] == "big")
    assert row["data_source"] == "web" and row["hint"] is None
    assert row["answer"] == row["prompt"].split()[1]  # numbers in one source, text in the other: text in both
    assert any("'answer' is text" in note for note in data.info["notes"])
    assert any("'data_source'" in note for note in data.info["notes"])


def test_held_out_rows_come_from_every_source_and_are_in_none(two, plain_tokenizer):
    data = load_data({"mixture": two, "test_size": 5}, tokenizer=plain_tokenizer, seed=1)
    assert Counter(data.test["source"]) == {"big": 5, "small": 5}
    assert not set(data.test["prompt"]) & set(data.train["prompt"])


def test_a_mixture_is_the_same_for_a_seed_and_another_for_another(two, plain_tokenizer):
    prints = [
        load_data({"mixture": two}, tokenizer=plain_tokenizer, seed=seed).info["train"]["fingerprint"]
        for seed in (1, 1, 2)
    ]
    assert prints[0] == prints[1] != prints[2]


def test_the_end_of_a_mixture_can_be_chosen(two, plain_tokenizer):
    def load(stopping):
        cfg = {"mixture": two, "mixture_stopping": stopping, "test_size": 0}
        return load_data(cfg, tokenizer=plain_tokenizer, seed=1).train["prompt"][:]

    assert len(set(load("all_exhausted"))) == 360 < len(load("all_exhausted"))
    once = load("all_exhausted_without_replacement")
    assert len(once) == len(set(once)) == 360


def test_limits_count_the_whole_or_one_source(two, plain_tokenizer):
    two["big"]["limit"] = 30
    data = load_data({"mixture": two, "limit": 20, "test_limit": 4}, tokenizer=plain_tokenizer, seed=1)
    assert (len(data.train), len(data.test)) == (20, 4)
    cfg = {"mixture": two, "mixture_stopping": "all_exhausted_without_replacement"}
    assert Counter(load_data(cfg, tokenizer=plain_tokenizer, seed=1).train["source"])["big"] == 30


@pytest.mark.parametrize("streaming", [{"big"}, {"big", "small"}])
def test_streams_are_mixed_too(two, plain_tokenizer, streaming):
    for name in streaming:
        two[name]["streaming"] = True
    data = load_data({"mixture": two, "test_size": 5, "shuffle_buffer": 0}, tokenizer=plain_tokenizer, seed=1)
    first = list(data.train.take(60))
    assert {"big", "small"} == {row["source"] for row in first}
    assert all(row["prompt"].startswith(row["source"]) for row in first)
    assert first == list(data.train.take(60))
    assert not {row["prompt"] for row in data.train} & set(data.test["prompt"])


def test_text_and_messages_do_not_mix(write_rows, tokenizer):
    chat = write_rows([{"prompt": [{"role": "user", "content": str(i)}]} for i in range(5)], "chat.jsonl")
    text = write_rows([{"prompt": str(i)} for i in range(5)], "text.jsonl")
    cfg = {"mixture": {"chat": chat, "text": text}, "test_size": 0}
    assert load_data(cfg, tokenizer=tokenizer, seed=1).info["conversational"] is True
    cfg["mixture"]["text"] = {"path": text, "conversational": False}
    with pytest.raises(ConfigError, match=r"plain text in 'text' and messages in 'chat'"):
        load_data(cfg, tokenizer=tokenizer, seed=1)


def test_a_problem_names_the_entry(two, plain_tokenizer):
    two["small"]["prompt_template"] = "{nothing}"
    with pytest.raises(ConfigError, match=r"dataset.mixture.small.prompt_template names the column 'nothing'"):
        load_data({"mixture": two}, tokenizer=plain_tokenizer, seed=1)
