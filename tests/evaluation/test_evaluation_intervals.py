import numpy as np
import pytest

from grpo_cli.evaluation.intervals import mean_intervals, paired_difference


@pytest.mark.parametrize("prompts", [40, 256])
@pytest.mark.parametrize("kind", ["right or wrong", "several samples", "lengths"])
def test_95_percent_intervals_hold_the_truth_in_95_percent_of_evaluations(prompts, kind):
    rng = np.random.default_rng(5)
    evaluations = 1500
    shape = (prompts, evaluations)
    if kind == "right or wrong":
        values, truth = (rng.random(shape) < 0.6).astype(float), 0.6
    elif kind == "several samples":  # prompts differ in how hard they are
        values, truth = rng.binomial(4, rng.beta(2, 2, shape)) / 4, 0.5
    else:
        values, truth = rng.gamma(3.0, 10.0, shape), 30.0
    _, low, high = mean_intervals(values, resamples=1000)
    coverage = np.mean((low <= truth) & (truth <= high))
    assert 0.93 <= coverage <= 0.97


def test_paired_differences_are_covered_too_and_are_narrower():
    rng = np.random.default_rng(1)
    hard = rng.random((200, 1000))
    before = (rng.random(hard.shape) < 0.6 * hard).astype(float)
    after = np.maximum(before, (rng.random(hard.shape) < 0.2).astype(float))
    truth = (1 - 0.3) * 0.2
    gain, low, high = paired_difference(after, before, resamples=1000)
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97
    assert gain.mean() == pytest.approx(truth, abs=0.005)
    alone = [np.subtract(*mean_intervals(table, resamples=1000)[:0:-1]) for table in (after, before)]
    assert np.mean(high - low) < 0.8 * np.mean(np.hypot(*alone))


def test_an_interval_is_near_the_normal_one_by_hand():
    values = np.array([1.0] * 30 + [0.0] * 70)
    mean, low, high = mean_intervals(values)
    half = 1.984 * np.sqrt(0.3 * 0.7 / 99)  # Student's t with 99 degrees of freedom
    assert mean == pytest.approx(0.3)
    assert (low, high) == (pytest.approx(0.3 - half, abs=0.012), pytest.approx(0.3 + half, abs=0.012))


def test_a_perfect_score_is_not_certain():
    _, low, high = mean_intervals(np.ones(256), shares=True)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 256)), 1.0)
    assert low == pytest.approx(0.9857, abs=1e-4)  # Clopper and Pearson's for 256 of 256
    assert mean_intervals(np.zeros(256), shares=True)[2] == pytest.approx(1 - low)
    assert [float(end) for end in mean_intervals(np.full(9, 1.0))] == [1.0, 1.0, 1.0]  # a length of 1 is no share


def test_prompts_that_all_changed_alike_leave_room_for_one_that_would_not():
    missed = 1 - 0.025 ** (1 / 6)  # of six prompts, Clopper and Pearson's
    gain, low, high = paired_difference(np.ones(6), np.zeros(6), shares=True)
    assert (gain, low, high) == (1.0, pytest.approx(1 - 2 * missed), 1.0)  # one that was lost would count -1
    gain, low, high = paired_difference(np.ones(6), np.ones(6), shares=True)
    assert (gain, low, high) == (0.0, pytest.approx(-missed), pytest.approx(missed))
    assert [float(end) for end in paired_difference(np.full(6, 9.0), np.full(6, 7.0))] == [2.0, 2.0, 2.0]  # lengths


def test_missing_values_count_for_nothing():
    values = np.array([[1.0, np.nan], [0.0, np.nan], [np.nan, np.nan], [1.0, np.nan]])
    mean, low, high = mean_intervals(values, shares=True)
    assert mean[0] == pytest.approx(2 / 3) and low[0] < 2 / 3 < high[0]
    assert np.isnan([mean[1], low[1], high[1]]).all()


def test_intervals_repeat_themselves():
    values = np.random.default_rng(0).random((50, 2))
    assert np.array_equal(mean_intervals(values), mean_intervals(values))
