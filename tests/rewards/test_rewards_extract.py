from __future__ import annotations

import time
from decimal import Decimal

import pytest

from grpo_cli.rewards.extract import (
    finished_text,
    last_answer_tag,
    last_boxed,
    last_number,
    parse_number,
    same_answer,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("845", "845"),
        ("845.0", "845"),
        (" 1,234 ", "1234"),
        ("1,234,567.5", "1234567.5"),
        ("-5", "-5"),
        ("\u22125", "-5"),
        ("+5", "5"),
        ("-$1,000", "-1000"),
        ("$ 18", "18"),
        ("50%", "50"),
        ("1e3", "1000"),
        ("2.5E-1", "0.25"),
        (".5", "0.5"),
        ("-1/2", "-0.5"),
        ("1 2", None),
        ("1, 2", None),
        ("12,34", None),
        ("", None),
        ("1/0", None),
        ("--5", None),
        ("x5", None),
        ("10^10", None),
        ("٣", None),
        ("9" * 5000, None),
        ("1e" + "9" * 50, None),
    ],
)
def test_parse_number(text, value):
    assert parse_number(text) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 845.", "845"),
        ("487+358=845", "845"),
        ("10-5", "5"),
        ("it is -5", "-5"),
        ("it is \u22125.", "\u22125"),
        ("x=-5", "-5"),
        ("costs $1,234.50!", "$1,234.50"),
        ("1,2,3", "3"),
        ("half: 1/2", "1/2"),
        ("end.5", "5"),
        ("none", None),
        ("", None),
    ],
)
def test_last_number(text, number):
    assert last_number(text) == number


def test_last_answer_tag():
    assert last_answer_tag("<answer>1</answer><answer>2</answer>") == "2"
    assert last_answer_tag("<answer>1</answer> <answer>2") == "1"
    assert last_answer_tag("<answer><answer>2</answer>") == "2"
    assert last_answer_tag("</answer>2<answer>") is None


def test_last_boxed():
    assert last_boxed(r"\boxed{1} \boxed{\frac{1}{2}} done") == r"\frac{1}{2}"
    assert last_boxed(r"\boxed{1} \boxed{2") == "1"
    assert last_boxed(r"\boxed{\boxed{3}}") == "3"
    assert last_boxed("1") is None


def test_finished_text():
    assert finished_text("4+5</think>9", prompt_opens_think=True) == "9"
    assert finished_text("4+5 is 9", prompt_opens_think=True) is None
    assert finished_text("<think>a</think>b<think>c") is None
    assert finished_text("<think>a</think><think>b</think>c") == "c"


@pytest.mark.parametrize(
    ("given", "gold", "same"),
    [
        ("845", 845, True),
        ("845", 845.0, True),
        ("1,234", "1234", True),
        ("$5.00", "5", True),
        ("5\u00b2", "52", False),
        ("Blue  Whale.", "blue whale", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("**Paris**", "Paris", True),
        ("0", 0, True),
        ("0", False, False),
        ("", "", False),
        ("nan", float("nan"), False),
        ("None", None, False),
        (" ", " ", False),
        ("?", "?", True),
        ("843 844 845", "845", False),
        ("0.30000000000000004", "0.3", False),
    ],
)
def test_same_answer(given, gold, same):
    assert same_answer(given, gold) is same


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1_000_000,
        "1,111" * 200_000,
        r"\boxed{" * 150_000,
        "<answer>" * 125_000,
        "1/" * 500_000,
        "{" * 1_000_000,
    ],
)
def test_a_megabyte_takes_no_time(text):
    start = time.perf_counter()
    for find in (last_number, last_boxed, last_answer_tag, finished_text, parse_number):
        find(text)

    assert time.perf_counter() - start < 2
