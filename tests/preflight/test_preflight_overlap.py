"""Duplicates and leakage between prompts."""

from __future__ import annotations

import random
import time

from grpo_cli.preflight.overlap import duplicates, leaks, normalised, question_text

WORDS = ("farm", "apples", "train", "boy", "girl", "sells", "price", "week", "total", "many", "pears", "cost", "road")


def sentence(rng: random.Random, numbers: bool = True) -> str:
    end = f" {rng.randint(1, 99)} and {rng.randint(1, 99)}?" if numbers else "?"
    return " ".join(rng.choice(WORDS) for _ in range(30)) + end


def test_each_kind_of_leak_is_found() -> None:
    rng = random.Random(1)
    test = [sentence(rng) for _ in range(50)]
    train = [sentence(rng) for _ in range(200)]
    near = test[2].split()
    near[3] = "bridge"
    train[10], train[20], train[30] = test[0], test[1].upper().replace("?", " ?!"), " ".join(near)
    found = {pair.train: (pair.test, pair.kind) for pair in leaks(train, test)}
    assert found == {10: (0, "exact"), 20: (1, "normalised"), 30: (2, "near")}


def test_other_numbers_make_another_problem() -> None:
    train = ["Tom has 3 apples and buys 4 more; how many has he?"]
    assert leaks(train, ["Tom has 3 apples and buys 5 more; how many has he?"]) == []
    (pair,) = leaks(train, ["Tom has 3 apples and buys 4 more; how many has he now?"])
    assert pair.kind == "near" and 0.7 <= pair.similarity < 1


def test_normalising_keeps_what_numbers_mean() -> None:
    assert normalised("What is 3 + 4?") == normalised("what is 3+4 ?") != normalised("What is 3-4?")
    assert normalised("It costs 1.5 dollars.") != normalised("It costs 15 dollars.")


def test_the_question_is_the_last_user_message() -> None:
    prompt = [{"role": "system", "content": "Think."}, {"role": "user", "content": "1+1?"}]
    assert question_text(prompt) == question_text("1+1?") == "1+1?"


def test_duplicates_are_counted() -> None:
    assert duplicates(["a", "b", "a", "a"]) == 2


def test_ten_thousand_rows_take_seconds() -> None:
    rng = random.Random(2)
    train, test = [sentence(rng, False) for _ in range(9500)], [sentence(rng, False) for _ in range(500)]
    started = time.process_time()
    assert leaks(train, test) == []
    assert time.process_time() - started < 12  # no number tells them apart, so every pair has to be looked at
