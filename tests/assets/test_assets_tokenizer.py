"""The embedded tokenizer: nothing is lost, digits stand alone, the chat format is Qwen's."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.assets.tokenizer import SPECIAL_TOKENS, TAGS, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(EMBEDDED_MODEL)


@pytest.mark.parametrize(
    "text",
    [
        "<think>7+8+0=15 8+5+1=14 4+3+1=8</think><answer>845</answer>",
        "The answer is 845.",
        "  two  spaces, a tab\tand\n\nlines ",
        "héllo wörld ≠ 日本 🙂",
        "user assistant What is The answer answers Whatever island",
    ],
)
def test_text_survives_the_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_digits_and_tags_are_single_tokens(tokenizer):
    tokens = tokenizer.tokenize("<think>17+8=25</think><answer>1025</answer>")
    assert tokens == ["<think>", *"17+8=25", "</think>", "<answer>", *"1025", "</answer>"]


def test_the_chat_template_renders_qwens_format(tokenizer):
    messages = [{"role": "user", "content": "What is 487+358?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nWhat is 487+358?<|im_end|>\n<|im_start|>assistant\n"
    messages.append({"role": "assistant", "content": "845"})
    text += "845<|im_end|>\n"
    assert tokenizer.apply_chat_template(messages, tokenize=False) == text


def test_special_tokens_are_markers_and_tags_are_text(tokenizer):
    text = "a<think>b</think><answer>c</answer>"
    ids = tokenizer(f"<|im_start|>{text}<|im_end|><|endoftext|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert all(len(tokenizer(token)["input_ids"]) == 1 for token in (*SPECIAL_TOKENS, *TAGS))


def test_the_shipped_tokenizer_is_the_one_the_script_builds(tokenizer):
    built = build_tokenizer()
    assert built.get_vocab() == tokenizer.get_vocab()
    assert built.chat_template == tokenizer.chat_template
    assert len(tokenizer) < 300
