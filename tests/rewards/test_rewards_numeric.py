from __future__ import annotations

import pytest

from grpo_cli.rewards.numeric import numeric


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("It is 845.", 845),
        ("first 12, then -5", "-5"),
        ("1,234,567.5", 1234567.5),
        ("12\u202f000", 12000),
        ("12'000 Fr.", 12000),
        ("$1,200", "1200"),
        (r"\boxed{12{,}000}", "12,000"),
        ("<answer>1.5e3</answer>", "1500"),
        (r"\boxed{1.5 \times 10^{3}}", 1500),
        ("2.5 × 10^-3 m", 0.0025),
        ("3/4", "0.75"),
        (r"\boxed{-\frac{3}{4}}", "-0.75"),
        (r"\boxed{1\frac{1}{2}}", "1.5"),
        ("1 1/2 cups", 1.5),
        ("50%", 0.5),
        ("50 percent", 50),
        (r"\boxed{50\%}", "50%"),
        ("0.5", "50%"),
        ("<answer>about 12 km/h</answer>", "12"),
        ("12", ["11", "12"]),
        ("12", "12 apples"),
        ("0.3333333", "1/3"),
    ],
)
def test_the_same_number(completion, answer):
    assert numeric(completion, answer) == 1.0


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("It is 846.", 845),
        ("5", "-5"),
        ("0.5%", "50%"),
        ("1e9", "1"),
        ("1e999999999", "1e999999998"),
        ("1/0", "1"),
        ("<answer>12, 13</answer>", 13),
        ("<answer>twelve</answer> 12", 12),
        ("none", 12),
        ("<think>12", 12),
    ],
)
def test_another_number(completion, answer):
    assert numeric(completion, answer) == 0.0


def test_tolerances():
    assert numeric("3.14", 3.14159, relative=0.001) == 1.0
    assert numeric("3.14", 3.14159, relative=0.0001) == 0.0
    assert numeric("3.14", 3.14159, relative=0, absolute=0.01) == 1.0
    assert numeric("0.001", 0) == 0.0
    assert numeric("0.001", 0, absolute=0.01) == 1.0
    assert [numeric(f"{n}", 100, absolute=1, relative=0.05) for n in (94, 95, 105, 106)] == [0.0, 1.0, 1.0, 0.0]


def test_percent_and_units():
    assert [numeric("50%", 50, percent=p) for p in ("either", "fraction", "ignore")] == [1.0, 0.0, 1.0]
    assert [numeric("50%", 0.5, percent=p) for p in ("either", "fraction", "ignore")] == [1.0, 1.0, 0.0]
    assert numeric("<answer>12 km</answer>", 12, units=False) == 0.0
    assert numeric("<answer>12</answer>", 12, units=False) == 1.0


@pytest.mark.parametrize("answer", ["", None, "many", "1 or 2", []])
def test_a_right_answer_that_is_no_number_skips_the_row(answer):
    assert numeric("12", answer) is None


@pytest.mark.parametrize(
    "options", [{"absolute": -1.0}, {"relative": -1.0}, {"percent": "half"}, {"extract": "end"}, {"extract": "regex"}]
)
def test_wrong_options_are_told_before_any_completion(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        numeric("", "", **options)
