"""The pretraining corpus: thinking is always right, guesses seldom, and nothing held out is shown."""

from __future__ import annotations

import itertools
import re

import pytest

from grpo_cli.assets import corpus
from grpo_cli.data.builtin.addition import is_held_out


@pytest.fixture(scope="module")
def rows():
    """The first rows as (a, b, completion)."""
    drawn = itertools.islice(corpus.rows(seed=0), 4000)
    return [(*map(int, re.findall(r"\d+", question)), completion) for question, completion in drawn]


def test_columns_carry_from_the_units_up():
    assert corpus.columns(487, 358) == "7+8+0=15 8+5+1=14 4+3+1=8"
    assert corpus.think(999, 999) == "<think>9+9+0=18 9+9+1=19 9+9+1=19</think><answer>1998</answer>"


def test_no_held_out_pair_is_shown(rows):
    assert not any(is_held_out(a, b) for a, b, _ in rows)


def test_thinking_has_its_share_and_is_always_right(rows):
    thoughts = [row for row in rows if row[2].startswith("<think>")]
    assert abs(len(thoughts) / len(rows) - corpus.STYLES["think"]) < 0.03
    assert all(completion == corpus.think(a, b) for a, b, completion in thoughts)


def test_a_guess_is_near_and_seldom_right(rows):
    guesses = [(a + b, c) for a, b, c in rows if not c.startswith("<think>")]
    errors = [abs(int(re.findall(r"\d+", completion)[0]) - total) for total, completion in guesses]
    assert max(errors) <= corpus.GUESS_ERROR
    assert abs(errors.count(0) / len(errors) - corpus.GUESS_RIGHT) < 0.03


def test_the_same_seed_gives_the_same_rows():
    first, again, other = (list(itertools.islice(corpus.rows(seed), 50)) for seed in (1, 1, 2))
    assert first == again != other
