import pytest

from grpo_cli.data.lengths import context_of, longest_first, prompt_tokens
from grpo_cli.data.load import load_data
from grpo_cli.errors import ConfigError


def test_tokens_are_counted_as_the_trainer_counts_them(tokenizer, plain_tokenizer):
    chats = [[{"role": "user", "content": "x" * n}] for n in (1, 7)]
    assert prompt_tokens(chats, tokenizer).tolist() == [
        len(ids) for ids in tokenizer.apply_chat_template(chats, add_generation_prompt=True, tokenize=True)["input_ids"]
    ]
    assert prompt_tokens(["a", "abc"], plain_tokenizer).tolist() == [1, 3]


def test_of_many_prompts_the_longest_are_measured():
    prompts = ["x" * (i % 50) for i in range(5000)] + ["y" * 1000, [{"role": "user", "content": "z" * 2000}]]
    chosen = longest_first(prompts)
    assert {5000, 5001} < set(chosen) and len(chosen) < 2000
    assert longest_first(["a", "b"]) == [0, 1]


def test_one_prompt_too_long_among_many_is_found(write_rows, plain_tokenizer, monkeypatch):
    monkeypatch.setattr(plain_tokenizer, "model_max_length", 100)
    path = write_rows([{"prompt": f"short {i}"} for i in range(3000)] + [{"prompt": "x" * 150}])
    with pytest.raises(ConfigError, match=r"1 prompts fill the model's context of 100 tokens .the longest has 150"):
        load_data({"path": path}, tokenizer=plain_tokenizer, seed=1)


def test_a_context_is_what_the_tokenizer_states(plain_tokenizer):
    assert context_of(plain_tokenizer) is None
    assert context_of(None) is None
