"""The classical rewards give what TRL's own give, on ordinary, conversational and hostile inputs."""

from __future__ import annotations

import random

import pytest
from benchmarks.math_completions import math_completions
from trl.rewards import (
    accuracy_reward,
    get_cosine_scaled_reward,
    get_repetition_penalty_reward,
    get_soft_overlong_punishment,
    think_format_reward,
)

from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.cosine import cosine_length
from grpo_cli.rewards.length import overlong

LENGTHS = [0, 1, 5, 79, 80, 81, 90, 99, 100, 101, 1000]
TEXTS = [
    *("", " ", "<think>", "</think>", "<think></think>", "<think>a</think>b", "<think>a</think>", " <think>a</think>b"),
    *("a<think>b</think>", "<think>a<think>b</think>", "<think>a</think><think>b</think>", "</think><think>"),
    *(
        "<think>\n\na\n</think>\n\nb",
        "<think>a</think></think>",
        "<THINK>a</THINK>",
        "<think>a",
        "\ud800<think>a</think>",
    ),
    *(
        "<think>\u200b</think>",
        "<think>" + "a\n" * 9999 + "</think>b",
        "<think>" * 999 + "</think>",
        "x\n<think>a</think>",
    ),
]
HOSTILE_ANSWERS = [
    *(
        "",
        "\\boxed{}",
        "\\boxed{",
        "\\boxed{\ud800}",
        "\\boxed{\u200b}",
        "\\boxed{1}\\boxed{2}",
        "\\boxed{x" + "}" * 50,
    ),
    *("\\boxed{\\frac{1}{0}}", "\\boxed{\\infty}", "\\boxed{1=2}", "\\boxed{\\text{1}}", "\\boxed{1;2}", "\\boxed{1,}"),
    *(
        "$1$",
        "answer $1$",
        "answer",
        "the answer is 1",
        "\\[1\\]",
        "Answer: \\[1\\]",
        "\\boxed{((((1))))}",
        "\\boxed{{1}}",
    ),
    *(
        "\\boxed{01}",
        "\\boxed{1.0}",
        "\\boxed{1e0}",
        "\\boxed{-(-1)}",
        "\\boxed{1\\%}",
        "\\boxed{1 cm}",
        "\\boxed{$1$}",
    ),
]


def chat(text):
    return [{"role": "assistant", "content": text}]


def ours(name, entry, completions, **columns):
    (reward,) = build_rewards({name: entry}, context=RewardContext())
    return reward(["q"] * len(completions), completions, columns.pop("completion_ids", None), **columns)


@pytest.mark.parametrize("conversational", [False, True])
def test_think_format(conversational):
    completions = [chat(text) if conversational else text for text in TEXTS]
    entry = {"target": "grpo_cli.rewards.form:format", "form": "think"}

    assert ours("format", entry, completions) == think_format_reward([chat(text) for text in TEXTS])


@pytest.mark.parametrize(("longest", "cache"), [(100, 20), (100, 0), (100, 100), (1, 1), (20480, 4096)])
def test_soft_overlong_punishment(longest, cache):
    ids = [[7] * length for length in LENGTHS]

    theirs = get_soft_overlong_punishment(longest, cache)(ids)
    assert [overlong("", max_length=longest, cache_length=cache, completion_ids=one) for one in ids] == theirs


@pytest.mark.parametrize("values", [{}, {"min": -2.0, "max": 0.0}])
def test_cosine_scaled_reward(values):
    items = math_completions(problems=11, per_problem=1, seed=3)
    ids = [[7] * (length % 300) for length in range(0, 11 * 37, 37)]
    theirs = get_cosine_scaled_reward(
        max_len=150, **({"min_value_wrong": values["min"], "max_value_wrong": values["max"]} if values else {})
    )
    options = {"min_wrong": values["min"], "max_wrong": values["max"]} if values else {}

    expected = theirs(
        completions=[chat(item.text) for item in items], solution=[item.gold for item in items], completion_ids=ids
    )
    given = [
        cosine_length(item.text, item.gold, max_length=150, completion_ids=one, **options)
        for item, one in zip(items, ids, strict=True)
    ]
    assert given == pytest.approx(expected)
    assert min(given) < 0 < max(given)


def test_cosine_leaves_out_what_accuracy_leaves_out():
    assert cosine_length(r"\boxed{1}", "whale", max_length=10, completion_ids=[1]) is None
    assert get_cosine_scaled_reward(10)(completions=[chat("1")], solution=["whale"], completion_ids=[[1]]) == [None]


def test_repetition_penalty():
    rng = random.Random(1)
    ids = [[rng.randrange(4) for _ in range(length)] for length in LENGTHS]
    entry = {"target": "grpo_cli.rewards.repetition:repetition", "ngram_size": 2}

    assert ours("repetition", entry, TEXTS[:11], completion_ids=ids) == get_repetition_penalty_reward(ngram_size=2)(ids)


@pytest.mark.parametrize("conversational", [False, True])
def test_accuracy(conversational):
    items = math_completions(problems=11, per_problem=2, seed=2)
    texts = [*HOSTILE_ANSWERS, *(item.text for item in items)]
    golds = ["$1$"] * len(HOSTILE_ANSWERS) + [item.gold for item in items]
    entry = {"target": "grpo_cli.rewards.math_answer:math"}

    given = ours("math", entry, [chat(text) if conversational else text for text in texts], answer=golds)
    expected = accuracy_reward([chat(text) for text in texts], golds)
    assert dict(zip(texts, given, strict=True)) == dict(zip(texts, expected, strict=True))


@pytest.mark.parametrize("options", [{}, {"max_length": 0}, {"max_length": 10, "judge": "none"}])
def test_wrong_options_of_cosine_length(options):
    with pytest.raises(ValueError, match=r"max_length|judge"):
        cosine_length("", "", completion_ids=[], **options)


@pytest.mark.parametrize("options", [{}, {"max_length": 10, "cache_length": 11}, {"max_length": 10, "unit": "lines"}])
def test_wrong_options_of_overlong(options):
    with pytest.raises(ValueError, match=r"max_length|unit"):
        overlong("", completion_ids=[], **options)
