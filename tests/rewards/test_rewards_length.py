from __future__ import annotations

import pytest

from grpo_cli.rewards.length import length, length_budget


def test_plain_length_is_the_default():
    assert [length(text) for text in ("", "four", "数🐋")] == [0.0, 4.0, 2.0]
    assert isinstance(length("four"), float)


def test_units():
    assert length("two  words\n", unit="words") == 2.0
    assert length("ignored", unit="tokens", completion_ids=[1, 2, 3]) == 3.0


def test_agrees_with_the_quickstarts_reward():
    texts = ["", "a" * 20, "a" * 50]

    assert [length(text, target_length=20) for text in texts] == [-abs(20 - len(text)) for text in texts]
    assert length("", target_length=20, scale=20) == -1.0


@pytest.mark.parametrize(
    "options",
    [{"unit": "bytes"}, {"unit": "tokens"}, {"scale": 0}, {"scale": -1.0}, {"target_length": -1}],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        length("text", **options)


def test_within_the_budget_and_beyond():
    values = [length_budget("w " * n, 100, unit="words", slack=0.2) for n in (1, 100, 105, 110, 120, 500)]

    assert values == pytest.approx([1.0, 1.0, 0.75, 0.5, 0.0, 0.0])
    assert [length_budget("w " * n, 3, unit="words", slack=0) for n in (3, 4)] == [1.0, 0.0]
    assert length_budget("text", 2, completion_ids=[1, 2]) == 1.0
    assert length_budget("", 10, unit="words") == 0.0
    assert length_budget("text", None, completion_ids=[1]) is None


@pytest.mark.parametrize(("budget", "options"), [(-1, {}), (1, {"slack": -1.0}), (1, {"unit": "lines"})])
def test_wrong_budgets(budget, options):
    with pytest.raises(ValueError, match=next(iter(options), "budget")):
        length_budget("text", budget, completion_ids=[1], **options)
