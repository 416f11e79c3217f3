"""What is one setting: jobs that differ only in their seed, by their configuration and not by their override's text."""

from __future__ import annotations

from sweeps import grid, record_sweep

from grpo_cli.report.sweep.groups import group_trials, ranked, short_seed
from grpo_cli.report.sweep.importance import importances
from grpo_cli.report.sweep.read import read_sweep
from grpo_cli.report.sweep.variables import variables


def names(tmp_path, jobs):
    return {g.name: [t.number for t in g.trials] for g in group_trials(read_sweep(record_sweep(tmp_path, jobs)))}


def test_seeds_of_one_setting_are_gathered(tmp_path):
    jobs = grid(
        {"training.learning_rate=0.1 x.steps=5": [0.1, 0.2], "training.learning_rate=0.2 x.steps=5": [0.3, 0.4]}
    )
    assert names(tmp_path, jobs) == {"training.learning_rate=0.1": [0, 1], "training.learning_rate=0.2": [2, 3]}


def test_two_spellings_are_one_setting(tmp_path):
    jobs = grid({"training.learning_rate=1e-3": [0.1], "training.learning_rate=0.001": [0.2]}, seeds=[1])
    jobs[1]["overrides"][-1] = "seed=2"
    jobs += grid({"training.learning_rate=0.5": [0.4]}, seeds=[7])
    assert names(tmp_path, jobs) == {"training.learning_rate=1e-3": [0, 1], "training.learning_rate=0.5": [2]}


def test_one_seed_tried_twice_is_one_draw(tmp_path):
    jobs = grid({"training.learning_rate=1e-3": [0.1, 0.4], "training.learning_rate=0.001": [0.2]})
    (group,) = group_trials(read_sweep(record_sweep(tmp_path, jobs)))
    assert group.values == [0.2, 0.4] and len(group.trials) == 3


def test_every_kind_of_training_seed_is_a_seed_and_the_evaluation_s_is_a_setting(tmp_path):
    rows = [["training.seed=1"], ["training.data_seed=4"], ["evaluation.seed=1"], ["evaluation.seed=2"]]
    found = names(tmp_path, [{"overrides": o, "value": 0.5} for o in rows])
    assert list(found.values()) == [[0, 1], [2], [3]]


def test_how_a_job_is_run_makes_no_setting(tmp_path):
    jobs = [{"overrides": [f"launch.slots={i}", "display=plain", f"seed={i}"], "value": 0.5} for i in (1, 2)]
    assert list(names(tmp_path, jobs).values()) == [[0, 1]]


def test_jobs_without_a_configuration_are_gathered_by_their_overrides(tmp_path):
    jobs = [{"overrides": ["a=1", f"seed={i}"], "value": None, "status": "invalid"} for i in (1, 2)]
    assert list(names(tmp_path, jobs).values()) == [[0, 1]]


def test_settings_are_ranked_with_the_unjudged_last(tmp_path):
    jobs = [*grid({"a=1": [0.2, 0.3], "a=2": [0.9]}), {"overrides": ["a=3"], "value": None, "status": "failed"}]
    groups = group_trials(read_sweep(record_sweep(tmp_path, jobs)))
    assert [g.name for g in ranked(groups, False)] == ["a=2", "a=1", "a=3"]
    assert [g.name for g in ranked(groups, True)] == ["a=1", "a=2", "a=3"]
    assert [short_seed(t) for t in groups[0].trials] == ["1", "2"]


def test_what_was_varied_and_what_mattered(tmp_path):
    jobs = [
        {"overrides": [f"lr={lr}", f"reward=[{reward}]", f"seed={seed}"], "value": 0.3 + 0.1 * (lr == "1e-3") + noise}
        for lr in ("1e-4", "1e-3")
        for reward in ("a", "a,b")
        for seed, noise in ((1, 0.0), (2, 0.01), (3, -0.01))
    ]
    jobs[0]["overrides"][0] = "lr=0.0001"
    trials = read_sweep(record_sweep(tmp_path, jobs)).trials
    varied = {v.key: v for v in variables(trials, seeds=True)}
    assert varied["lr"].numeric and varied["lr"].distinct == [0.0001, 0.001]
    assert varied["reward"].distinct == ["[a]", "[a,b]"] and not varied["reward"].numeric
    found = {i.key: i.share for i in importances(trials, list(varied.values()))}
    assert next(iter(found)) == "lr" and found["lr"] > 0.9
    assert found["reward"] < 0.1 and found["seed"] < 0.1


def test_a_parabola_in_the_logarithm_is_found_among_random_values(tmp_path):
    import random

    draw = random.Random(3)
    jobs = []
    for i in range(20):
        exponent = draw.uniform(-5, -2)
        value = 0.9 - 0.3 * (exponent + 3.5) ** 2 + draw.gauss(0, 0.03)
        jobs.append({"overrides": [f"lr={10**exponent!r}", f"other={draw.random()!r}", f"seed={i}"], "value": value})
    trials = read_sweep(record_sweep(tmp_path, jobs)).trials
    found = {i.key: i.share for i in importances(trials, variables(trials, seeds=True))}
    assert found["lr"] > 0.9 and found["other"] < 0.4
