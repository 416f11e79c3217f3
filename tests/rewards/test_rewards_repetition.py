from __future__ import annotations

import random
import time

import pytest

from grpo_cli.rewards.repetition import repetition


def test_agrees_with_trl():
    from trl.rewards import get_repetition_penalty_reward

    generator = random.Random(0)
    batch = [[generator.randrange(5) for _ in range(n)] for n in (0, 1, 2, 3, 4, 10, 200)] + [[7] * 50]
    for size in (1, 2, 3, 40):
        theirs = get_repetition_penalty_reward(ngram_size=size, max_penalty=-0.5)(batch)
        ours = [repetition("", completion_ids=ids, ngram_size=size, max_penalty=-0.5) for ids in batch]
        assert ours == theirs


def test_words():
    assert repetition("Go go GO", unit="words", ngram_size=1) == pytest.approx(-2 / 3)
    assert repetition("all words differ here", unit="words") == 0.0
    assert repetition("", unit="words") == 0.0


@pytest.mark.parametrize("options", [{"ngram_size": 0}, {"max_penalty": 0.1}, {"unit": "letters"}, {"unit": "tokens"}])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        repetition("text", **options)


def test_a_megabyte_takes_no_time():
    start = time.perf_counter()

    assert repetition("ab " * 333_000, unit="words") < -0.99
    assert time.perf_counter() - start < 2
