import pytest

from grpo_cli.data.check import DEFAULTS
from grpo_cli.data.prompts import PromptBuilder
from grpo_cli.errors import ConfigError


def build(rows, tokenizer, first=1, **cfg):
    names = list(dict.fromkeys(k for row in rows for k in row))
    builder = PromptBuilder({**DEFAULTS, **cfg}, "dataset", "rows.jsonl", names, tokenizer)
    batch = {name: [row.get(name) for row in rows] for name in builder.reads}
    return builder.build(batch, first)


USER = [{"role": "user", "content": "hi"}]


def test_text_becomes_a_user_message_where_the_tokenizer_has_a_chat_template(tokenizer, plain_tokenizer):
    assert build([{"prompt": "hi"}], tokenizer).prompts == [USER]
    assert build([{"prompt": "hi"}], plain_tokenizer).prompts == ["hi"]
    assert build([{"prompt": "hi"}], tokenizer, conversational=False).prompts == ["hi"]
    assert build([{"prompt": USER}], tokenizer).prompts == [USER]


def test_a_template_is_filled_from_their_names_and_ours(plain_tokenizer):
    built = build(
        [{"q": "1+1?", "n": 2}],
        plain_tokenizer,
        prompt_template="Q{n}: {question} or {q}",
        columns={"question": "q"},
    )
    assert built.prompts == ["Q2: 1+1? or 1+1?"]


def test_a_system_prompt_goes_first_and_a_rows_own_stays(tokenizer, plain_tokenizer):
    system = {"role": "system", "content": "Be brief."}
    own = [{"role": "system", "content": "Mine."}, *USER]
    assert build([{"prompt": "hi"}], tokenizer, system_prompt="Be brief.").prompts == [[system, *USER]]
    assert build([{"prompt": own}], tokenizer, system_prompt="Be brief.").prompts == [own]
    assert build([{"prompt": "hi"}], plain_tokenizer, system_prompt="Be brief.").prompts == ["Be brief.\n\nhi"]


def test_a_chat_template_without_a_system_role_is_found_out(tokenizer):
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    )
    with pytest.raises(ConfigError, match=r"takes no system message.*no system role.*prompt_template"):
        build([{"prompt": "hi"}], tokenizer, system_prompt="Be brief.")


def test_answers_are_extracted_by_the_patterns_first_group(plain_tokenizer):
    rows = [{"prompt": "a", "answer": "so #### 42 "}, {"prompt": "b", "answer": "#### 1,000"}]
    assert build(rows, plain_tokenizer, answer_pattern=r"####\s*(.+)").answers == ["42", "1,000"]
    assert build([{"prompt": "a", "answer": 42}], plain_tokenizer, answer_pattern=r"\d").answers == ["4"]
    assert build([{"prompt": "a", "answer": 42}], plain_tokenizer).answers == [42]


@pytest.mark.parametrize("answer", [None, "no mark"])
def test_a_missing_answer_is_an_error_dropped_or_kept(plain_tokenizer, answer):
    rows = [{"prompt": "a", "answer": "#### 1"}, {"prompt": "b", "answer": answer}]
    pattern = {"answer_pattern": r"####\s*(.+)"}
    with pytest.raises(ConfigError, match=r"row 12 of rows.jsonl"):
        build(rows, plain_tokenizer, first=11, **pattern)
    dropped = build(rows, plain_tokenizer, on_missing_answer="drop", **pattern)
    assert (dropped.prompts, dropped.answers, dropped.keep) == (["a"], ["1"], [0])
    assert build(rows, plain_tokenizer, on_missing_answer="keep", **pattern).answers == ["1", None]


def test_a_trailing_assistant_turn_is_refused_or_dropped(tokenizer):
    rows = [{"prompt": [*USER, {"role": "assistant", "content": "hello"}]}]
    with pytest.raises(ConfigError, match=r"row 1 .*ends with the assistant's turn.*trailing_assistant=drop"):
        build(rows, tokenizer)
    assert build(rows, tokenizer, trailing_assistant="drop").prompts == [USER]


def test_text_parts_of_a_message_are_joined_and_absent_keys_left_out(tokenizer):
    parts = [{"type": "text", "text": "h", "image": None}, {"type": "text", "text": "i"}]
    assert build([{"prompt": [{"role": "user", "content": parts, "name": None}]}], tokenizer).prompts == [USER]


@pytest.mark.parametrize(
    ("rows", "cfg", "said"),
    [
        ([{"prompt": "a"}, {"prompt": None}], {}, "row 2 of rows.jsonl has an empty prompt"),
        ([{"prompt": "a"}, {"prompt": "  "}], {}, "row 2 .* empty prompt"),
        ([{"prompt": []}], {}, "row 1 .* empty prompt"),
        ([{"prompt": 3}], {}, "of type int, neither text nor a list"),
        (
            [{"prompt": "a"}, {"prompt": USER}],
            {"conversational": False},
            "row 2 .*list of messages, while prompts are plain",
        ),
        (
            [{"prompt": USER}],
            {"conversational": False},
            "conversational=false, and the prompts of rows.jsonl are lists",
        ),
        ([{"prompt": ["a", "b"]}], {}, "not of messages with 'role' and 'content'"),
        (
            [{"prompt": [{"role": "user", "content": None}]}],
            {},
            "the 'user' message of its prompt has no content",
        ),
        ([{"prompt": [{"role": "user", "content": [{"type": "image"}]}]}], {}, "images are not supported"),
        (
            [{"q": "a", "n": 1}, {"q": None, "n": 1}],
            {"prompt_template": "{q}{n}"},
            "row 2 .* has no value in 'q'",
        ),
    ],
)
def test_prompts_that_do_not_fit_are_named_by_row(tokenizer, rows, cfg, said):
    with pytest.raises(ConfigError, match=said):
        build(rows, tokenizer, **cfg)


@pytest.mark.parametrize(
    ("prompt", "cfg"), [(USER, {}), ("a", {"conversational": True}), ("a", {"conversational": "true"})]
)
def test_messages_need_a_chat_template(plain_tokenizer, prompt, cfg):
    with pytest.raises(ConfigError, match=r"tokenizer has no chat template: set model.chat_template"):
        build([{"prompt": prompt}], plain_tokenizer, **cfg)
