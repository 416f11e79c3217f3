from __future__ import annotations

import pytest

from grpo_cli.rewards.text import completion_text, prompt_opens_think, row_opens_think

ASSISTANT = {"role": "assistant"}


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        (None, ""),
        ([], ""),
        ([{**ASSISTANT, "content": None}], ""),
        ([{**ASSISTANT}], ""),
        ([{"content": "no role"}], "no role"),
        ([{**ASSISTANT, "content": "one"}, {**ASSISTANT, "content": "two"}], "one\ntwo"),
        ([{**ASSISTANT, "content": [{"type": "text", "text": "a"}, {"type": "image"}, "b"]}], "ab"),
        ([{**ASSISTANT, "thinking": "hm", "content": "9"}], "<think>hm</think>9"),
        ([{**ASSISTANT, "content": "числа 数 🐋\u200b"}], "числа 数 🐋\u200b"),
    ],
)
def test_text_of_a_completion(completion, text):
    assert completion_text(completion) == text


def test_what_a_tool_printed_is_not_the_models_text():
    calls = {**ASSISTANT, "content": "", "tool_calls": [{"function": {"name": "add"}}]}
    completion = [
        calls,
        {"role": "tool", "name": "add", "content": "845"},
        {**ASSISTANT, "content": "I say 9"},
    ]

    assert completion_text(completion) == "I say 9"


def test_parsed_reasoning_is_put_back_as_the_model_wrote_it():
    completion = [{**ASSISTANT, "reasoning_content": "hm", "content": "9"}]

    assert completion_text(completion, prompt_opens_think=True) == "hm</think>9"


class Tokenizer:
    """Renders as a chat template would, from a template in Python's own format."""

    def __init__(self, generation_prompt, system=""):
        self.chat_template = "{a template}"
        self.generation_prompt, self.system = generation_prompt, system

    def apply_chat_template(self, messages, add_generation_prompt, tokenize, enable_thinking=True):
        assert not tokenize
        end = self.generation_prompt(enable_thinking) if add_generation_prompt else ""
        return self.system + messages[0]["content"] + end


def test_template_that_opens_think_is_recognised():
    opens = Tokenizer(lambda thinking: "<assistant><think>\n")
    asks = Tokenizer(lambda thinking: "<assistant>", system="Reason inside <think> tags.")
    switched = Tokenizer(lambda thinking: "<think>" if thinking else "<think>\n\n</think>\n\n")

    assert prompt_opens_think(opens) is True
    assert prompt_opens_think(asks) is False
    assert prompt_opens_think(switched, {"enable_thinking": True}) is True
    assert prompt_opens_think(switched, {"enable_thinking": False}) is False


def test_no_template_opens_nothing():
    opens = Tokenizer(lambda thinking: "<think>")
    opens.chat_template = None

    assert prompt_opens_think(None) is False
    assert prompt_opens_think(opens) is False


def test_plain_and_prefilled_prompts_speak_for_themselves():
    question = [{"role": "user", "content": "1+1?"}]

    assert row_opens_think("Q: 1+1?\n<think>\n", template_opens=False)
    assert not row_opens_think("What does <think> mean?", template_opens=True)
    assert row_opens_think(question, template_opens=True)
    assert row_opens_think([*question, {**ASSISTANT, "content": "<think>So"}], template_opens=False)
    assert not row_opens_think([*question, {**ASSISTANT, "content": "It is"}], template_opens=True)
