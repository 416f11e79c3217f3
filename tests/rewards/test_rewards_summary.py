"""rouge and readability."""

from __future__ import annotations

import importlib.util

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.rewards import extras
from grpo_cli.rewards.readability import readability
from grpo_cli.rewards.summary import rouge

SUMMARY = "The whale swam past the harbour. Nobody saw it leave."
SAID = "A whale swam past. It left the harbour and nobody saw it."
GRADE_3 = (
    "Whales are large mammals. They live in every ocean of the world, and they breathe air. Many travel far each year."
)


@pytest.mark.parametrize("variant", ["rouge1", "rouge2", "rougeL", "rougeLsum"])
@pytest.mark.parametrize(("measure", "place"), [("precision", 0), ("recall", 1), ("f", 2)])
def test_rouge_is_that_of_rouge_score(variant, measure, place):
    from rouge_score.rouge_scorer import RougeScorer

    def lines(text):
        return text.replace(". ", ".\n")

    expected = RougeScorer([variant], use_stemmer=True).score(lines(SUMMARY), lines(SAID))[variant][place]
    assert 0 < expected < 1
    assert rouge(SAID, SUMMARY, variant=variant, measure=measure, stemmer=True) == pytest.approx(expected)


def test_rouge_takes_the_best_reference_by_the_chosen_measure():
    short, long = "whale", "the whale swam past the harbour"

    assert rouge("whale", [long, short], measure="recall") == 1.0
    assert rouge("the whale swam", [short, long], measure="precision") == 1.0


def test_rouge_reads_the_answer_only():
    said = f"<think>{SUMMARY}</think><answer>no idea</answer>"

    assert rouge(said, SUMMARY) == 0.0
    assert rouge(f"<think>{SUMMARY}", SUMMARY) == 0.0
    assert rouge(SUMMARY, SUMMARY, prompt_opens_think=True) == 0.0
    assert rouge(f"<think>?</think>{SUMMARY}", SUMMARY) == 1.0


@pytest.mark.parametrize("missing", [None, float("nan"), "", [], [None]])
def test_rouge_without_reference_does_not_apply(missing):
    assert rouge("a", missing) is None


def test_rouge_of_other_scripts():
    russian, chinese = "кит плыл мимо гавани", "鲸鱼游过港口"

    assert rouge(russian, russian) == 0.0
    assert rouge(russian, russian, tokens="words") == 1.0
    assert rouge("鲸鱼离开港口", chinese, tokens="characters", variant="rouge1") == pytest.approx(4 / 6)


def test_rouge_reads_only_the_beginning_of_a_huge_text():
    assert rouge("whale " * 170_000, "one whale", measure="precision") < 0.001


@pytest.mark.parametrize(
    "options", [{"variant": "rouge"}, {"measure": "r"}, {"tokens": "all"}, {"stemmer": True, "tokens": "words"}]
)
def test_rouge_checks_its_options_first(options):
    with pytest.raises(ValueError, match=r"must be one of|English endings"):
        rouge("", "", **options)


def test_readability_falls_on_both_sides_of_the_band():
    import textstat

    grade = textstat.automated_readability_index(GRADE_3)
    assert readability(GRADE_3, lowest=grade, highest=grade + 1) == 1.0
    assert readability(GRADE_3, lowest=grade - 2, highest=grade - 1, falloff=4) == pytest.approx(0.75)
    assert readability(GRADE_3, lowest=grade + 2, highest=grade + 5, falloff=4) == pytest.approx(0.5)
    assert readability(GRADE_3, lowest=grade + 4, highest=grade + 5, falloff=4) == pytest.approx(0.0)


def test_readability_of_a_hard_text():
    hard = (
        "Notwithstanding considerable methodological heterogeneity, longitudinal investigations consistently "
        "demonstrate that anthropogenic disturbance substantially influences cetacean communication, particularly "
        "throughout reproductive aggregations."
    )
    assert readability(hard, min_words=10) == 0.0
    assert readability(hard, formula="coleman_liau_index", lowest=14, highest=60, min_words=10) == 1.0


@pytest.mark.parametrize("text", ["", "Short.", "<think>" + GRADE_3, GRADE_3 + "<think>"])
def test_readability_of_next_to_nothing_is_0(text):
    assert readability(text, lowest=-20, highest=40) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formula": "guess"}, "formula must be one of"),
        ({"lowest": 9, "highest": 6}, "must not be above"),
        ({"falloff": 0}, "falloff must be above 0"),
        ({"min_words": 0}, "min_words must be 1 or more"),
    ],
)
def test_readability_checks_its_options_first(options, message):
    with pytest.raises(ValueError, match=message):
        readability("", **options)


def test_a_missing_dictionary_is_not_downloaded_while_training(monkeypatch, tmp_path):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    with pytest.raises(ConfigError, match=r"run python -m nltk\.downloader cmudict"):
        readability("", formula="flesch_kincaid_grade")


@pytest.mark.parametrize(("reward", "package"), [(rouge, "rouge_score"), (readability, "textstat")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, reward, package):
    extras.require.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=rf"{package} is not installed; install it with pip install 'grpo-train\[text\]'"
    ):
        reward("", reference="") if reward is rouge else reward("")
    extras.require.cache_clear()
