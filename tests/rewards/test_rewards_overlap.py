from __future__ import annotations

import pytest

from grpo_cli.rewards.overlap import token_f1
from grpo_cli.rewards.pattern import regex


@pytest.mark.parametrize(
    ("completion", "answer", "f1", "em"),
    [
        ("The Blue whale!", "blue whale", 1.0, 1.0),
        ("It is the blue whale.", "blue whale", 2 * 2 / (4 + 2), 0.0),
        ("whale whale", "whale", 2 * 1 / 3, 0.0),
        ("shark", "blue whale", 0.0, 0.0),
        ("shark", ["blue whale", "Shark"], 1.0, 1.0),
        ("shark", {"text": ["whale", "a shark"], "answer_start": [1, 2]}, 1.0, 1.0),
        ("long talk <answer>shark</answer>", "shark", 1.0, 1.0),
        ("the", "shark", 0.0, 0.0),
        ("", "shark", 0.0, 0.0),
        ("1,000", 1000, 1.0, 1.0),
    ],
)
def test_f1_and_em(completion, answer, f1, em):
    assert token_f1(completion, answer) == pytest.approx(f1)
    assert token_f1(completion, answer, measure="em") == em


def test_where_the_answer_stands():
    text = "<think>shark</think>a shark, so <answer>a whale</answer>"

    assert token_f1(text, "whale") == 1.0
    assert token_f1(text, "whale", extract="whole") < 0.5
    assert token_f1("whale", "whale", extract="answer_tag") == 0.0
    assert token_f1("<think>whale</think>", "whale") == 0.0
    assert token_f1("<think>whale", "whale") == 0.0


@pytest.mark.parametrize("answer", ["", None, [], "the", [""], {"text": []}])
def test_no_reference_skips_the_row(answer):
    assert token_f1("whale", answer) is None


@pytest.mark.parametrize("options", [{"measure": "bleu"}, {"extract": "boxed"}])
def test_wrong_options_of_token_f1(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        token_f1("", "", **options)


def test_regex_matches_what_follows_the_reasoning():
    text = "<think>12</think>\nIt is\nTwelve. "

    assert regex(text, r"It.*\.") == 1.0
    assert regex(text, r"\d") == 0.0
    assert regex(text, r"\d", reasoning=True) == 1.0
    assert [regex(text, "twelve", ignore_case=case) for case in (False, True)] == [0.0, 1.0]
    assert [regex(text, r"It\sis", match=m) for m in ("anywhere", "start", "whole")] == [1.0, 1.0, 0.0]
    assert regex(text, r"It.*\.", match="whole") == 1.0
    assert regex("", ".*") == regex(" ", ".*") == 0.0
    assert regex("a", None) is None


@pytest.mark.parametrize(("pattern", "options"), [("(", {}), ("a", {"match": "end"})])
def test_wrong_options_of_regex(pattern, options):
    with pytest.raises(ValueError, match=r"match|pattern"):
        regex("", pattern, **options)
