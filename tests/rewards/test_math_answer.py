"""`math`: right where TRL's accuracy_reward is, by math-verify; and its shortcuts change no verdict."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from benchmarks.math_completions import math_completions
from trl.rewards import accuracy_reward, reasoning_accuracy_reward

from grpo_cli.rewards.math_answer import _verify, math

NUMBERS = [
    *("0", "3", "-12", "100", "3.0", "3.00", "12.5", "-12.5", "0.5", "0.33333", "0.00001", "999999999", "12345678.9"),
    *("1/2", "2/4", "-1/2", "6/2", "1/3", r"\frac{1}{2}", r"\frac{2}{4}", r"-\frac{1}{2}", r"\dfrac{1}{3}"),
]


def chat(text):
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1/2", r"\frac{3}{6}"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        ("x^2 + 2x + 1", "(x+1)^2"),
        ("{1, 2, 3}", r"\{3, 1, 2\}"),
        ("[0, 1)", r"\left[0, 1\right)"),
        ("(1, 2)", "(1,2)"),
        ("x = 5", "5"),
        (r"$\begin{pmatrix} 1 & 2 \end{pmatrix}$", r"\begin{pmatrix}1&2\end{pmatrix}"),
        ("1,234", "1234"),
        ("50%", r"50\%"),
        ("72 apples", "72"),
        (r"\text{Monday}", r"\text{Monday}"),
        (["7", "8"], "8"),
        (845, "845.0"),
        (r"\boxed{9}", "9"),
    ],
)
def test_equal_as_mathematics(gold, answer):
    assert math(rf"It follows that $\boxed{{{answer}}}$.", gold) == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1/2", "0.51"),
        (r"2\sqrt{3}", "2"),
        ("[0, 1)", "1"),
        ("[0, 1)", "[0, 1]"),
        ("(1, 2)", "(2, 1)"),
        ("845", ""),
        ("845", "844, 845, 846"),
        ("845", "x"),
        ("845", "{" * 400),
    ],
)
def test_not_equal(gold, answer):
    assert math(rf"It follows that $\boxed{{{answer}}}$.", gold) == 0.0


@pytest.mark.parametrize("gold", ["", None, float("nan"), "blue whale", "It depends on whom you ask.", []])
def test_a_right_answer_that_cannot_be_read_skips_the_row(gold):
    assert math(r"\boxed{42}", gold) is None


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        (r"\boxed{41}, no: \boxed{42}", 0.0),
        (r"\boxed{41}, and a long time later, after we looked at all of it again from all sides, \boxed{42}", 1.0),
        (r"\boxed{42}, and a long time later, after we looked at all of it again from all sides, \boxed{41}", 0.0),
        (r"<think>\boxed{42}</think>It is unknown.", 0.0),
        (r"<think>\boxed{42}", 0.0),
        (r"<think>\boxed{41}</think>\boxed{42}", 1.0),
        (r"\boxed{42} and then \boxed{4", 1.0),
        ("<answer>42</answer>", 1.0),
        ("<answer>$84/2$</answer>", 1.0),
        (r"<answer>The answer is \boxed{42}</answer>", 1.0),
        ("<answer></answer>", 0.0),
        ("The answer is $42$.", 1.0),
        ("Final answer: $42$", 1.0),
        (r"My answer: \(40+2\)", 1.0),
        ("The answer is $41$. No, the answer is $42$.", 1.0),
        ("The answer is 42.", 0.0),
        ("", 0.0),
    ],
)
def test_where_the_answer_stands(completion, value):
    assert math(completion, "42") == value


def test_plain_text_counts_when_asked_for():
    assert math("The answer is 42.", "42", plain=True) == 1.0
    assert math("We add $40+2$. The answer is 42.", "42", plain=True) == 1.0
    assert math("The answer is $42$, not 43.", "42", plain=True) == 1.0
    assert math("42", "42", plain=True) == 1.0
    assert math("40, 41, 43", "42", plain=True) == 0.0
    assert math("<think>42</think>", "42", plain=True) == 0.0
    assert math("42</think>", "42", plain=True, prompt_opens_think=True) == 0.0


def test_agrees_with_trl_on_ordinary_completions():
    ordinary = math_completions(problems=22, per_problem=4, seed=1)
    golds = [item.gold for item in ordinary]

    ours = [math(item.text, item.gold) for item in ordinary]

    assert ours == accuracy_reward([chat(item.text) for item in ordinary], golds)
    assert ours == [float(item.right) for item in ordinary]


def test_agrees_with_trl_after_reasoning():
    texts = [rf"<think>{a}</think>so \boxed{{{b}}}" for a, b in itertools.product(["", r"\boxed{1}", "1"], ["1", "2"])]
    texts.append(r"<think>\boxed{1}")

    assert [math(text, "1") for text in texts] == reasoning_accuracy_reward(
        [chat(t) for t in texts], ["1"] * len(texts)
    )


def test_shortcuts_decide_as_math_verify_does():
    for gold, answer in itertools.product(NUMBERS, NUMBERS):
        boxed = rf"\boxed{{{answer}}}"
        assert math(boxed, f"${gold}$") == float(_verify(f"${gold}$", boxed, "boxed")), (gold, answer)


@pytest.mark.parametrize("last", ["The answer is $%s$.", "Answer: $%s$", "the final answer is $%s$. \n"])
@pytest.mark.parametrize("answer", ["5", "x+1", r"\frac{1}{2}", "6", r"\sqrt{25}", "x=5", "5 cm"])
def test_last_words_are_read_as_trl_reads_them(last, answer):
    text = "We add $2+3$.\n" + last % answer

    assert [math(text, "$5$")] == accuracy_reward([chat(text)], ["$5$"])


def test_works_outside_the_main_thread():
    values = []
    thread = threading.Thread(target=lambda: values.append(math(r"\boxed{\frac{2}{6}}", r"\frac{1}{3}")))
    thread.start()
    thread.join(30)

    assert values == [1.0]


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 140_000,
        "{" * 1_000_000,
        r"\boxed{" + "{" * 1_000_000,
        r"\boxed{1}" * 110_000,
        "answer $" * 120_000,
        r"answer \[" * 100_000,
        "answer " * 140_000,
        "9" * 1_000_000,
        r"\boxed{" + "9" * 1_000_000 + "}",
        "\u200b\ud800\x00" * 300_000,
    ],
    ids=range(10),
)
def test_a_megabyte_is_no_danger(text):
    math(r"\boxed{x+1}", "1+x")  # the import
    start = time.perf_counter()

    assert math(text, "42") == 0.0
    assert time.perf_counter() - start < 5
