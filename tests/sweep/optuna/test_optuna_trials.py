"""Trials of a study without training: samplers, resuming, ends of every kind."""

import json
import math

import pytest
from optuna_studies import open_trials, run, values_of

from grpo_cli.errors import ConfigError
from grpo_cli.runs.result import COMPLETED, FAILED, INTERRUPTED
from grpo_cli.runs.sweep import INVALID, Job
from grpo_cli.sweep.optuna.journal import JOURNAL

NUMBERS = ("lr=tag(log,interval(1e-6,1e-2))", "beta=interval(0,1)")
MIXED = (*NUMBERS, "steps=range(10,50,10)", "algorithm=grpo,dapo")
CONDITIONAL = {"epsilon": {"values": "interval(0.2,0.4)", "when": "algorithm=dapo"}}


def peak(values: dict) -> float:
    """Best at lr 3e-4, beta 0.3."""
    return -((math.log10(float(values["lr"])) + 3.5) ** 2) - 4 * (float(values["beta"]) - 0.3) ** 2


def test_tpe_finds_more_than_random_search() -> None:
    def best(sampler: str, seed: int) -> float:
        found = run(open_trials(None, *NUMBERS, sampler=sampler, seed=seed, n_trials=40), peak)
        return max(peak(values_of(overrides)) for _, overrides in found)

    pairs = [(best("tpe", seed), best("random", seed)) for seed in range(5)]
    assert sum(tpe > random for tpe, random in pairs) >= 4, pairs


SAMPLERS = {
    "tpe": (MIXED, CONDITIONAL, {"n_startup_trials": 4}, 1),
    "cmaes": (NUMBERS, {}, {"popsize": 4}, 1),
    "random": (MIXED, CONDITIONAL, {}, 1),
    "grid": (("lr=1e-4,1e-3", "steps=range(10,50,10)", "algorithm=grpo,dapo"), {}, {}, 1),
    "nsga2": (MIXED, {}, {"population_size": 4}, 2),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sweep_killed_and_resumed_suggests_what_the_undisturbed_one_does(tmp_path, sampler) -> None:
    arguments, written, options, objectives = SAMPLERS[sampler]

    def objective(values: dict):
        value = peak({"beta": 0.5, **values})
        return (value, float(values["steps"])) if objectives == 2 else value

    def begin(folder):
        return open_trials(
            folder,
            *arguments,
            written=written,
            directions=("maximize",) * objectives,
            sampler=sampler,
            sampler_options=options,
            n_trials=16,
        )

    whole = run(begin(tmp_path / "whole"), objective)
    assert [number for number, _ in whole] == list(range(16))
    assert len(set(whole)) == 16
    done = []
    for part in (3, 1, 6):
        trials = begin(tmp_path / "killed")
        done += run(trials, objective, at_most=part)
        trials.ask()  # and the process dies while it runs
    done += run(begin(tmp_path / "killed"), objective)
    assert done == whole
    assert run(begin(tmp_path / "killed"), objective) == []


def test_a_trial_torn_while_it_was_suggested_gets_the_same_values(tmp_path) -> None:
    whole = run(open_trials(tmp_path / "whole", *MIXED, n_trials=14), peak)
    folder = tmp_path / "torn"
    run(open_trials(folder, *MIXED, n_trials=14), peak, at_most=12)
    told = (folder / JOURNAL).read_bytes()
    open_trials(folder, *MIXED, n_trials=14).ask()
    asked = (folder / JOURNAL).read_bytes()[len(told) :]
    assert asked.count(b"\n") > 5  # the trial, its parameters one by one, its overrides
    for cut in range(0, len(asked), 97):
        (folder / JOURNAL).write_bytes(told + asked[:cut])
        (folder / f"{JOURNAL}.lock").symlink_to("gone")  # of the process that was killed
        again = open_trials(folder, *MIXED, n_trials=14)
        number, overrides = again.ask()
        assert (number, tuple(overrides)) == whole[12], cut
        assert again.ended == 12


def test_a_damaged_journal_is_refused_in_a_sentence(tmp_path) -> None:
    run(open_trials(tmp_path, *NUMBERS, n_trials=3), peak)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join([*lines[:4], b"{broken\n", *lines[4:]]))
    with pytest.raises(ConfigError, match="line 5 cannot be read"):
        open_trials(tmp_path, *NUMBERS, n_trials=3)


def test_parameters_whose_condition_fails_are_left_out() -> None:
    done = run(open_trials(None, *MIXED, written=CONDITIONAL, n_trials=30), peak)
    suggested = [values_of(overrides) for _, overrides in done]
    assert {("epsilon" in values, values["algorithm"]) for values in suggested} == {(True, "dapo"), (False, "grpo")}


def test_trials_without_a_result_count_and_come_to_an_end() -> None:
    ends = iter([INVALID, FAILED, float("nan"), None, *[0.5] * 10])
    trials = open_trials(None, *NUMBERS, n_trials=8)
    jobs = []
    tell = trials.tell
    trials.tell = lambda job: (tell(job), jobs.append(job))[0]
    assert len(run(trials, lambda values: next(ends))) == 8
    states = [trial.state.name for trial in trials.study.trials]
    assert states == ["FAIL"] * 4 + ["COMPLETE"] * 4
    assert "nan, so it counts as a failed trial" in jobs[2].error and "missing" in jobs[3].error
    all_invalid = open_trials(None, *NUMBERS, n_trials=8)
    assert len(run(all_invalid, lambda values: INVALID)) == 8


def test_more_trials_may_be_asked_for_later_and_an_interrupted_one_goes_on(tmp_path) -> None:
    assert len(run(open_trials(tmp_path, *NUMBERS, n_trials=4), peak)) == 4
    trials = open_trials(tmp_path, *NUMBERS, n_trials=6)
    number, overrides = trials.ask()
    trials.tell(Job(number, list(overrides), INTERRUPTED))
    assert trials.ended == 4
    again = open_trials(tmp_path, *NUMBERS, n_trials=6)
    assert again.ask() == (4, overrides)
    again.tell(Job(4, overrides, COMPLETED, objective=0.1))
    assert [n for n, _ in run(again, peak)] == [5]


def test_side_by_side_a_grid_gives_each_point_once_and_ends(tmp_path) -> None:
    arguments = ("a=1,2,3", "b=range(0,2)")
    trials = open_trials(tmp_path, *arguments, sampler="grid")
    assert trials.total == 6
    asked = [trials.ask() for _ in range(4)]
    resumed = open_trials(tmp_path, *arguments, sampler="grid")
    rest = run(resumed, lambda values: 0.0)
    assert [number for number, _ in rest] == list(range(6))
    assert [list(overrides) for _, overrides in rest[:4]] == [overrides for _, overrides in asked]
    assert len({overrides for _, overrides in rest}) == 6


def test_a_changed_space_or_other_settings_are_refused(tmp_path) -> None:
    from grpo_cli.sweep.optuna.space import read_space
    from grpo_cli.sweep.optuna.study import open_study

    run(open_trials(tmp_path, *NUMBERS, n_trials=2), peak)
    assert json.loads((tmp_path / "space.json").read_text())["lr"]["distribution"]["name"] == "FloatDistribution"
    with pytest.raises(ConfigError, match=r"another one \(beta\)"):
        open_trials(tmp_path, NUMBERS[0], "beta=interval(0,2)")
    with pytest.raises(ConfigError, match=r"training.max_steps: not set → 30|begun with other settings"):
        open_study(tmp_path, read_space({}, NUMBERS), {"training": {"max_steps": 30}}, ["maximize"])
    run(open_trials(tmp_path, *NUMBERS, n_trials=3, sampler="random"), peak)  # another sampler may go on


def test_several_objectives(tmp_path) -> None:
    trials = open_trials(tmp_path, *NUMBERS, directions=("maximize", "minimize"), n_trials=12)
    run(trials, lambda values: (peak(values), float(values["beta"])))
    assert len(trials.study.best_trials) >= 1
    assert all(len(trial.values) == 2 for trial in trials.study.trials)
    with pytest.raises(ConfigError, match="cmaes has one objective"):
        open_trials(None, *NUMBERS, directions=("maximize", "minimize"), sampler="cmaes")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sampler_options": {"n_startup_trial": 3}}, "has no option n_startup_trial; did you mean"),
        ({"sampler_options": {"n_startup_trials": "few"}}, "must be a number"),
        ({"sampler": "random", "sampler_options": {"popsize": 3}}, "it has none"),
        ({"sampler": "nsga2", "sampler_options": {"population_size": 1}}, "nsga2 refuses them"),
        ({"sampler": "grid"}, "lr is an interval"),
        ({"n_trials": "many"}, "whole number or auto"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_trials(None, *NUMBERS, **settings)


def test_cmaes_needs_numbers() -> None:
    with pytest.raises(ConfigError, match="varies numbers"):
        open_trials(None, "a=1,2", sampler="cmaes")
