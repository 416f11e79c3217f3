from __future__ import annotations

import pytest

from grpo_cli.rewards.choice import multiple_choice

OPTIONS = ["Rome", "Paris", "Bern", "Oslo"]
SAYS_B = [
    *("B", "b", "B.", "(B)", "**B**", "B)", "Option B", "Answer: B", "The answer is (B).", "the answer is b."),
    *("Final answer: **B**", "The answer is **(B)**", "so the correct option is: B", "I would go with B."),
    *("I think A is wrong, C is wrong, so the answer is B.", "The answer is option B.", "I choose B"),
    *(r"\boxed{B}", r"\boxed{\text{B}}", r"The answer is $\boxed{B}$", "<answer>B</answer>"),
    *("<answer>The answer is B</answer>", "A tricky one. The answer is B.", "The answer is A. No, the answer is B."),
]
SAYS_PARIS = [
    *("Paris", "paris.", "It is Paris.", "The answer is Paris.", "(B) Paris", "B: Paris", "B) Paris"),
    *(r"\boxed{(B) Paris}", "<answer>(B) Paris</answer>", "The answer is: B. Paris", "<answer>Paris</answer>"),
]
SAYS_SOMETHING_ELSE = [
    *(
        "",
        "A",
        "A or B",
        "The answer is A or B",
        "The answer is A and B.",
        "A, B, C",
        "Rome or Paris",
        "ABCD",
        "Be kind.",
    ),
    *("The answer is A. B is wrong.", "<answer>A</answer> B", "<answer>A, B</answer>", "<answer></answer> B", "B C"),
    *("A good question. I do not know.", "The answer is (A), not (B)", "(A) (B) (C) (D)", "the answer is a bit of C"),
    *("<think>The answer is B.</think>", "<think>The answer is B."),
]


@pytest.mark.parametrize("completion", SAYS_B)
def test_letters(completion):
    assert multiple_choice(completion, "B", OPTIONS) == 1.0
    assert multiple_choice(completion, "B", None) == 1.0
    assert multiple_choice(completion, "C", OPTIONS) == 0.0


@pytest.mark.parametrize("completion", SAYS_PARIS)
def test_texts(completion):
    assert multiple_choice(completion, "B", OPTIONS) == 1.0
    assert multiple_choice(completion, "A", OPTIONS) == 0.0


@pytest.mark.parametrize("completion", SAYS_SOMETHING_ELSE)
def test_another_or_none(completion):
    assert multiple_choice(completion, "B", OPTIONS) == 0.0


@pytest.mark.parametrize("answer", ["B", "(B)", "b", "B.", 1, "1", "Paris", " paris ", "B: "])
def test_ways_to_write_the_right_option(answer):
    assert multiple_choice("It is B.", answer, OPTIONS) == 1.0


@pytest.mark.parametrize("answer", ["", None, "Madrid", "E", 4, -1])
def test_a_right_answer_that_is_no_option_skips_the_row(answer):
    assert multiple_choice("It is B.", answer, OPTIONS) is None


def test_options_that_are_letters_or_numbers_themselves():
    assert multiple_choice("<answer>7</answer>", "7", ["5", "6", "7"]) == 1.0
    assert multiple_choice("The answer is C.", "7", ["5", "6", "7"]) == 1.0
    assert multiple_choice("7", "7", ["5", "6", "7"]) == 1.0
