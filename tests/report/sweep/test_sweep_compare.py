"""Comparisons: what is paired with what, how they are corrected, and how often they are wrong when nothing differs."""

from __future__ import annotations

import random

import pytest
from sweeps import grid, record_sweep

from grpo_cli.errors import ConfigError
from grpo_cli.report.read import Run
from grpo_cli.report.sweep.compare import NOTHING, PAIRED, PROMPTS, UNPAIRED, Comparer, choose_baseline, holm
from grpo_cli.report.sweep.groups import Group, group_trials
from grpo_cli.report.sweep.prompts import interval
from grpo_cli.report.sweep.read import SweepRun, Trial, read_sweep
from grpo_cli.report.sweep.standings import group_interval, standings, verdict
from grpo_cli.runs.folder import RunFolder


def made(values, minimize=False):
    """Settings in memory: a row of values over seeds each."""
    groups = []
    number = 0
    for i, row in enumerate(values):
        trials = []
        for seed, value in enumerate(row):
            run = Run(RunFolder(__file__), config={"seed": seed})
            trials.append(Trial(number, [], "completed", [value], 1.0, run))
            number += 1
        groups.append(Group(f"setting {i}", [f"a={i}"], trials))
    sweep = SweepRun(None, {}, [t for g in groups for t in g.trials], ["m"], ["minimize" if minimize else "maximize"])
    return sweep, groups


@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_settings_are_rarely_told_apart(seeds):
    """Family-wise: in at most 5 % of sweeps any claim is made, against the baseline, and against the best."""
    draw, sweeps = random.Random(seeds), 1500
    wrong = {"baseline": 0, "holm": 0, "best": 0}
    for _ in range(sweeps):
        shared = [draw.gauss(0, 1) for _ in range(seeds)]  # a seed is easy or hard for every setting
        sweep, groups = made([[s + draw.gauss(0, 1) for s in shared] for _ in range(5)])
        comparer = Comparer(sweep, groups)
        compared = comparer.with_baseline(groups[0])
        wrong["baseline"] += any(c.sure for c in compared.values())
        wrong["holm"] += any(c.holm <= 0.05 for c in compared.values())
        wrong["best"] += any(c.sure for c in comparer.with_best().values())
    error = 3 * (0.05 * 0.95 / sweeps) ** 0.5
    assert all(count / sweeps <= 0.05 + error for count in wrong.values()), wrong
    assert wrong["holm"] >= wrong["baseline"] > 0  # Holm claims at least as much; and neither is mute


def test_without_the_correction_the_best_would_be_claimed_too_often():
    """The same simulation has the power to show a missing correction."""
    draw, wrong = random.Random(1), 0
    for _ in range(300):
        sweep, groups = made([[draw.gauss(0, 1) for _ in range(5)] for _ in range(5)])
        order = sorted(groups, key=lambda g: -g.mean)
        wrong += any(Comparer(sweep, groups).two(order[0], g, 0.05).sure for g in order[1:])
    assert wrong / 300 > 0.12


def test_prompts_of_equal_models_are_rarely_told_apart():
    draw, wrong = random.Random(2), 0
    for _ in range(400):
        differences = [float(draw.random() < 0.5) - float(draw.random() < 0.5) for _ in range(100)]
        _, low, high, p = interval(differences, 0.05, share=True)
        wrong += low > 0 or high < 0
        assert (low > 0 or high < 0) == (p < 0.05) or 0.02 < p < 0.1  # bootstrap and t agree but for the border
    assert wrong / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_holm_corrects_step_by_step():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_shared_seeds_are_paired():
    sweep, groups = made([[0.1, 0.5, 0.9], [0.2, 0.61, 0.99]])
    compared = Comparer(sweep, groups).with_baseline(groups[0])["setting 1"]
    assert (compared.kind, compared.count) == (PAIRED, 3)
    assert compared.difference == pytest.approx(0.1) and compared.sure  # the seeds' own spread is far larger


def test_other_seeds_are_compared_unpaired():
    sweep, groups = made([[0.1, 0.12, 0.11], [0.9, 0.92, 0.91]])
    for number, trial in enumerate(groups[1].trials):
        trial.run.config["seed"] = 10 + number
    compared = Comparer(sweep, groups).with_baseline(groups[0])["setting 1"]
    assert (compared.kind, compared.count, compared.sure) == (UNPAIRED, 6, True)


def test_one_seed_each_is_compared_by_prompts_and_says_so(tmp_path):
    few = [i < 10 for i in range(60)]
    many = [i < 50 for i in range(60)]
    jobs = [
        {"overrides": ["a=1", "seed=1"], "value": 10 / 60, "right": few},
        {"overrides": ["a=2", "seed=1"], "value": 50 / 60, "right": many},
    ]
    board = standings(read_sweep(record_sweep(tmp_path, jobs)))
    compared = board.compared["a=2"]
    assert (compared.kind, compared.count, compared.sure) == (PROMPTS, 60, True)
    assert compared.difference == pytest.approx(40 / 60)
    headline, sentences, level = verdict(board)
    assert "a=2 is the best setting" in headline and level == "warning"
    assert any("say nothing of other seeds" in s for s in sentences)
    low, high, drawn = group_interval(board.judged[0], board.sweep.objectives[0])
    assert drawn == "prompts of one seed" and (low, high) == pytest.approx((50 / 60 - 0.1, 50 / 60 + 0.1))


def test_results_that_are_not_the_objective_are_not_compared(tmp_path):
    """Prompts whose mean is not the value that was reported are of something else."""
    jobs = [{"overrides": [f"a={i}", "seed=1"], "value": 0.25, "right": [True] * 20} for i in range(2)]
    board = standings(read_sweep(record_sweep(tmp_path, jobs)))
    assert board.compared["a=1"].kind == NOTHING
    assert "cannot be told apart" in verdict(board)[0]


def test_equal_differences_prove_nothing_by_themselves():
    """Three seeds that differ by exactly the same (values are shares of few prompts) have no spread to judge by."""
    sweep, groups = made([[0.5, 0.25, 0.75], [0.75, 0.5, 1.0]])
    assert Comparer(sweep, groups).with_baseline(groups[0])["setting 1"].kind == NOTHING


def test_the_baseline_is_the_fewest_changes_or_the_one_named(tmp_path):
    folder = record_sweep(tmp_path, grid({"a=2 b=1": [0.5, 0.6], "a=3": [0.1, 0.2], "a=4": [0.3, 0.4]}))
    sweep = read_sweep(folder)
    groups = group_trials(sweep)
    assert choose_baseline(groups, None, sweep).name == "a=3"
    assert choose_baseline(groups, "1", sweep).name == "a=2 b=1"
    assert choose_baseline(groups, "b=1 a=2", sweep).name == "a=2 b=1"
    with pytest.raises(ConfigError, match=r"no job of that number and no setting of that name.*up to 5.*'a=2 b=1'"):
        choose_baseline(groups, "a=9", sweep)


def test_less_can_be_better():
    sweep, groups = made([[3.0, 3.1, 3.2], [1.0, 1.1, 1.3]], minimize=True)
    assert list(Comparer(sweep, groups).with_best()) == ["setting 0"]
