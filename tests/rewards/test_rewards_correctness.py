from __future__ import annotations

import pytest

from grpo_cli.rewards.correctness import exact_match


@pytest.mark.parametrize(
    "completion",
    [
        "845",
        "The answer is 845.",
        "<answer>845</answer>",
        "<answer> 845.0 </answer>",
        "<think>7+8+0=15 5+5+1=11 8+3+1=12</think><answer>845</answer>",
        "<answer>1</answer> no, <answer>845</answer>",
        r"so \boxed{845}",
        "<think>1 2 3</think>It is 845",
        "$845.00",
        "<think>cut off, yet <answer>845</answer>",
    ],
)
def test_right_answers_score(completion):
    assert exact_match(completion, "845") == 1.0
    assert exact_match(completion, 845) == 1.0


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "   ",
        "eight hundred",
        "846",
        "<answer></answer>",
        "<answer>845</answer> no, <answer>1</answer>",
        "<answer>843 844 845</answer>",
        "<answer>1</answer> 845",
        "<think>845",
        "<think>845</think>",
        "<think>845</think>I do not know",
        "<think><answer>845</answer></think>",
        "845 or 846",
        "845/2",
        "8\u200b45",
    ],
)
def test_wrong_answers_do_not_score(completion):
    assert exact_match(completion, "845") == 0.0


def test_an_empty_right_answer_never_matches():
    for gold in ("", None, float("nan"), [], [""], " "):
        assert exact_match("", gold) == 0.0
        assert exact_match("None", gold) == 0.0
        assert exact_match("nan", gold) == 0.0
        assert exact_match("<answer></answer>", gold) == 0.0


def test_listing_numbers_does_not_win_where_a_tag_is_asked_for():
    everything = " ".join(str(number) for number in range(1000))

    assert exact_match(everything + " 845", "845") == 1.0
    assert exact_match(everything + " 845", "845", extract="answer_tag") == 0.0
    assert exact_match(f"<answer>{everything}</answer>", "845", extract="answer_tag") == 0.0


def test_text_answers():
    assert exact_match("The Blue Whale", "the blue whale") == 1.0
    assert exact_match("The Blue Whale", "the blue whale", ignore_case=False) == 0.0
    assert exact_match("It is the blue whale", "the blue whale") == 0.0
    assert exact_match("<answer>Paris</answer>", ["London", "Paris"]) == 1.0


def test_numbers_as_text():
    assert exact_match("<answer>845.0</answer>", "845", numeric=False) == 0.0
    assert exact_match("845", "845", numeric=False) == 1.0
    assert exact_match("It is 845", "845", numeric=False) == 0.0


@pytest.mark.parametrize(
    ("extract", "completion", "score"),
    [
        ("boxed", r"\boxed{5}", 1.0),
        ("boxed", "5", 0.0),
        ("last_number", "<answer>5</answer> 6", 0.0),
        ("last_number", "4 then 5", 1.0),
        ("last_number", "<think>5", 0.0),
        ("whole", " 5 ", 1.0),
        ("whole", "It is 5", 0.0),
        ("whole", "<think>hm</think>5", 1.0),
    ],
)
def test_where_the_answer_is_looked_for(extract, completion, score):
    assert exact_match(completion, "5", extract=extract) == score


def test_a_pattern_takes_its_last_match():
    assert exact_match("#### 4\n#### 5", "5", extract="regex", pattern=r"#### (\d+)") == 1.0
    assert exact_match("#### 5", "5", extract="regex", pattern=r"\d+") == 1.0
    assert exact_match("five", "5", extract="regex", pattern=r"(\d+)") == 0.0
    assert exact_match("a", "a", extract="regex", pattern=r"(b)?a") == 0.0


def test_reasoning_that_the_prompt_opened_is_no_answer():
    assert exact_match("40+5=45", "45", prompt_opens_think=True) == 0.0
    assert exact_match("40+5</think>45", "45", prompt_opens_think=True) == 1.0
    assert exact_match("<answer>45</answer>", "45", prompt_opens_think=True) == 1.0


@pytest.mark.parametrize("options", [{"extract": "regex"}, {"extract": "regex", "pattern": "("}, {"extract": "last"}])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=r"pattern|extract"):
        exact_match("", "1", **options)
