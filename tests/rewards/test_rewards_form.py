from __future__ import annotations

import time

import pytest

from grpo_cli.rewards.form import format

GOOD = "<think>4+5</think><answer>9</answer>"


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        (GOOD, 1.0),
        ("\n<think>\n4+5\n</think>\n\n<answer>\n9\n</answer>\n", 1.0),
        ("<think>数 🐋</think><answer>é</answer>", 1.0),
        ("", 0.0),
        (" \n", 0.0),
        ("<think></think><answer></answer>", 0.0),
        ("<think> </think><answer>9</answer>", 0.0),
        ("<think>4</think><answer> </answer>", 0.0),
        ("<think>4</think> so <answer>9</answer>", 0.0),
        ("So <think>4</think><answer>9</answer>", 0.0),
        (GOOD + " done", 0.0),
        (GOOD + GOOD, 0.0),
        ("<answer>9</answer><think>4</think>", 0.0),
        ("<think>4<answer>9</think></answer>", 0.0),
        ("<think>4<think>5</think><answer>9</answer>", 0.0),
        ("<think>4<answer>9</answer>", 0.0),
        ("4+5</think><answer>9</answer>", 0.0),
    ],
)
def test_strict_think_answer(completion, score):
    assert format(completion) == score


def test_a_prompt_that_opens_think_is_allowed_for():
    assert format("4+5</think><answer>9</answer>", prompt_opens_think=True) == 1.0
    assert format(GOOD, prompt_opens_think=True) == 0.0
    assert format("", prompt_opens_think=True) == 0.0
    assert format("", prompt_opens_think=True, strict=False) == 0.0
    assert format("4</think>9", form="think", prompt_opens_think=True) == 1.0


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        (GOOD, 1.0),
        ("<think>4<answer>9</answer>", 0.75),
        ("<answer>9</answer>", 0.5),
        ("9", 0.0),
        ("<think>" * 50, 0.0),
        (GOOD * 2, 0.0),
        ("</answer><answer></think><think>", 0.25),
    ],
)
def test_soft_form_is_a_share_of_the_tags(completion, score):
    assert format(completion, strict=False) == score


def test_answer_form():
    assert format("so <answer>9</answer>.", form="answer") == 1.0
    assert format("<answer></answer>", form="answer") == 0.0
    assert format("</answer><answer>9", form="answer") == 0.0
    assert format("<answer>8</answer><answer>9</answer>", form="answer") == 0.0


def test_regular_expression():
    assert format("yes\n#### 9", form="regex", pattern=r".*#### \d+") == 1.0
    assert format("yes\n#### 9 or so", form="regex", pattern=r".*#### \d+") == 0.0
    assert format("yes\n#### 9 or so", form="regex", pattern=r"#### \d+", strict=False) == 1.0
    assert format("", form="regex", pattern=".*") == 0.0


def test_agrees_with_trl():
    from trl.rewards import think_format_reward

    texts = [
        GOOD,
        "<think>a</think>b",
        "<think>\na\n</think>\nb",
        "<think></think>",
        "<think>a</think>b</think>",
        "<think>a<think>b</think>",
        "<think>a</think><think>b</think>",
        " <think>a</think>",
        "\n<think>a</think>",
        "x\n<think>a</think>",
        "<think>a",
        "a</think>b",
        "</think><think>",
        "a",
    ]
    ours = [format(text, form="think") for text in texts]

    assert ours == think_format_reward([[{"role": "assistant", "content": text}] for text in texts])
    assert set(ours) == {0.0, 1.0}


@pytest.mark.parametrize(
    "options",
    [
        {"form": "regex"},
        {"form": "regex", "pattern": "("},
        {"form": "tags"},
        {"form": "think", "pattern": "a"},
    ],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match=r"pattern|form"):
        format("", **options)


@pytest.mark.parametrize("text", ["<think>" * 140_000, "a" * 1_000_000, "<think>a</think>" * 60_000])
@pytest.mark.parametrize("form", ["think_answer", "think", "answer"])
def test_a_megabyte_takes_no_time(form, text):
    start = time.perf_counter()
    format(text, form=form)
    format(text, form=form, strict=False)

    assert time.perf_counter() - start < 1
