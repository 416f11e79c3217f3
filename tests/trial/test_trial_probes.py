"""Probe completions are what their names say."""

from __future__ import annotations

import pytest

from grpo_cli.rewards.correctness import exact_match
from grpo_cli.rewards.form import format
from grpo_cli.trial.probes import FORMS, PROBES, Case, cases, gold_in_form, wrong_answer

NUMBER = Case("What is 487+358?", "845", ["12", "13", "14", "15"])
WORD = Case("Capital of France?", "Paris", ["Rome", "Oslo", "Bern", "Riga"])


def test_wrong_answers_are_wrong_and_alike():
    assert wrong_answer(NUMBER) == "846"
    assert wrong_answer(Case("?", "1,234.5")) == "1235.5"
    assert wrong_answer(WORD) == "Rome"
    assert wrong_answer(Case("?", "Paris")) is None
    assert wrong_answer(Case("?", None)) is None


@pytest.mark.parametrize("case", [NUMBER, WORD], ids=["number", "word"])
@pytest.mark.parametrize("form", ["in <answer>", "in \\boxed{}", "thought, in <answer>"])
def test_a_sound_reward_tells_every_probe_apart(case, form):
    for name, maker in PROBES.items():
        text = maker(case, FORMS[form])
        if text is None:
            continue
        expected = float(name in ("gold in padding", "gold repeated"))
        assert exact_match(text, case.gold) == expected, (name, text[:200])
    assert exact_match(gold_in_form(case, FORMS[form]), case.gold) == 1.0


def test_with_an_open_think_completions_close_it_first():
    case = Case("6*7?", "42", ["1"], opens_think=True)
    thought = gold_in_form(case, FORMS["thought, in <answer>"])
    assert not thought.startswith("<think>") and "</think>" in thought
    assert format(thought, prompt_opens_think=True) == 1.0
    bare = gold_in_form(case, FORMS["bare"])
    assert exact_match(bare, "42", prompt_opens_think=True) == 1.0
    for name in ("gold only in <think>", "<think> not closed"):
        text = PROBES[name](case, FORMS["bare"])
        assert "<think>" not in text
        assert exact_match(text, "42", prompt_opens_think=True) == 0.0
    assert PROBES["<think> written again"](NUMBER, FORMS["bare"]) is None
    assert PROBES["<think> written again"](case, FORMS["bare"]).startswith("<think>")


def test_guesses_hold_the_right_answer_in_their_midst():
    assert PROBES["guesses in one answer"](NUMBER, FORMS["bare"]) == "843, 844, 845, 846, 847"
    assert PROBES["guesses in turn"](WORD, FORMS["bare"]).splitlines() == ["Rome", "Oslo", "Paris", "Bern", "Riga"]
    assert PROBES["guesses in turn"](Case("?", "Paris", ["Rome"]), FORMS["bare"]) is None


def test_code_blocks_are_for_code():
    assert gold_in_form(NUMBER, FORMS["in a code block"]) is None
    assert PROBES["guesses in turn"](Case("?", "def f(): ...", ["a", "b", "c"]), FORMS["bare"]) is None
    assert "def f" in gold_in_form(Case("?", "def f(x):\n    return x"), FORMS["in a code block"])


def test_cases_know_other_rows_answers_that_differ():
    made = cases(["a", "b", "c", "d"], ["1", "1.0", None, "2"], [False] * 4)
    assert [case.others for case in made] == [["2"], ["2"], [], ["1", "1.0"]]


def test_a_word_to_the_judge_is_no_right_answer_by_chance():
    assert PROBES["word to the judge"](Case("?", "10"), FORMS["bare"]) is None
    assert PROBES["word to the judge"](Case("?", "1.0"), FORMS["bare"]) is None
    assert "10/10" in PROBES["word to the judge"](NUMBER, FORMS["bare"])
