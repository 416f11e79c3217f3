"""distinct_n and self_bleu."""

from __future__ import annotations

import time

import pytest

from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.diversity import distinct_n, self_bleu

STORY = "the old whale swam past the quiet harbour at night"
OTHERS = ["the old whale swam under the ice for a month", "two girls found a lamp in the sand one day ."]


@pytest.mark.parametrize("reward", [distinct_n, self_bleu])
def test_ends_of_the_scale(reward):
    assert reward(["?"] * 4, [STORY] * 4) == [0.0] * 4
    assert reward(["?"] * 2, ["whales swim far", "girls found lamps"]) == [1.0, 1.0]
    assert reward(["?"] * 3, ["", "<think>a story", "!!"]) == [0.0] * 3
    assert reward([], []) == []


@pytest.mark.parametrize("reward", [distinct_n, self_bleu])
def test_the_odd_one_out_is_the_most_diverse(reward):
    near, far = reward(["?"] * 4, [STORY, STORY + " alone", STORY + " again", OTHERS[1]])[1::2]

    assert 0 < near < 0.5 < far <= 1


@pytest.mark.parametrize("reward", [distinct_n, self_bleu])
def test_a_group_is_a_run_of_equal_prompts(reward):
    chat = [[{"role": "user", "content": c}] for c in "aab"]

    assert reward(chat, [STORY, STORY, STORY]) == [0.0, 0.0, None]
    assert reward(["a", "b", "a", "a"], [STORY] * 4) == [None, None, 0.0, 0.0]


def test_distinct_n_counts_repetition_in_the_text_itself():
    once, often = distinct_n(["?"] * 2, ["a b c d", "x y x y x y"])

    assert (once, often) == (1.0, 2 / 5)


def test_distinct_n_of_a_text_shorter_than_n_and_of_characters():
    assert distinct_n(["?"] * 2, ["whale", "shark"], n=3) == [1.0, 1.0]
    assert distinct_n(["?"] * 2, ["鲸鱼", "鲸鱼"], unit="characters") == [0.0, 0.0]


@pytest.mark.parametrize("max_n", [1, 2, 4])
def test_self_bleu_agrees_with_nltk(max_n):
    """With texts of one length, where nltk's brevity penalty is 1."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    texts = [STORY, *OTHERS, "the old whale swam past the quiet ship at dawn"]
    texts[2] = texts[2].replace(" .", "")
    words = [text.split()[:10] for text in texts]
    smooth = SmoothingFunction().method1
    expected = [
        1
        - sentence_bleu(
            [other for j, other in enumerate(words) if j != i],
            words[i],
            weights=[1 / max_n] * max_n,
            smoothing_function=smooth,
        )
        for i in range(len(words))
    ]

    assert self_bleu(["?"] * 4, [" ".join(w) for w in words], max_n=max_n) == pytest.approx(expected, abs=1e-9)


def test_self_bleu_does_not_pay_for_brevity():
    (short, *_) = self_bleu(["?"] * 3, ["the old whale", STORY, OTHERS[0]])

    assert short == 0.0


def test_options_are_checked_before_training():
    with pytest.raises(ValueError, match="n must be 1 or more, not 0"):
        distinct_n("", "", n=0)
    with pytest.raises(ValueError, match="max_n must be 1 or more, not 0"):
        self_bleu("", "", max_n=0)
    with pytest.raises(ValueError, match="unit must be words or characters"):
        self_bleu("", "", unit="syllables")


def test_as_a_reward_of_a_run():
    entry = {"target": "grpo_cli.rewards.diversity:distinct_n"}
    (reward,) = build_rewards({"d": entry}, context=RewardContext(prompt_opens_think=True, columns=["prompt"]))
    chat = [{"role": "user", "content": "?"}]

    assert reward([chat] * 2, ["on and</think>a b", "on and on"], None, trainer_state=None) == [1.0, 0.0]


@pytest.mark.parametrize("reward", [distinct_n, self_bleu])
def test_long_texts_take_linear_time(reward):
    begun = time.perf_counter()
    reward(["?"] * 8, ["whale shark " * 10_000] * 8)

    assert time.perf_counter() - begun < 5
