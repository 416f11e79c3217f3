"""Pruning by planted learning curves, and what a pruner cannot go by."""

import copy

import pytest
from optuna_studies import METRIC, evaluated, open_trials

from grpo_cli.config.schema import defaults
from grpo_cli.errors import ConfigError
from grpo_cli.runs.result import COMPLETED, PRUNED, read_json
from grpo_cli.runs.sweep import Job
from grpo_cli.sweep.optuna.pruners import Pruning, pruning
from grpo_cli.sweep.optuna.space import read_space

SPACE = "lr=interval(0,1)"


def median(**options) -> Pruning:
    return Pruning("median", METRIC, {"n_startup_trials": 2, **options}, last_step=40)


def finish(trials, folder, number: int, *curve: float) -> None:
    """A trial that runs to its end with these evaluations at 10, 20, …"""
    job = evaluated(folder, number, *((10 * (i + 1), value) for i, value in enumerate(curve)))
    assert trials.prune(job) is None
    job.status, job.objective = COMPLETED, curve[-1]
    trials.tell(job)


def with_two_good_ones(folder, pruner: Pruning):
    trials = open_trials(folder, SPACE, n_trials=6, pruning=pruner)
    for number in range(2):
        assert trials.ask()[0] == number
        finish(trials, folder, number, 0.3, 0.5, 0.7, 0.9)
    assert trials.ask()[0] == 2
    return trials


def test_a_trial_below_the_median_is_pruned_once_and_for_all(tmp_path) -> None:
    trials = with_two_good_ones(tmp_path, median())
    job = evaluated(tmp_path, 2, (0, 0.0), (10, 0.4))
    assert trials.prune(job) is None and trials.prune(job) is None
    evaluated(tmp_path, 2, (20, 0.1))
    why = trials.prune(job)
    assert why == f"median pruned it at step 20: {METRIC} is 0.1."
    assert trials.prune(job) == why
    job.status = PRUNED
    trials.tell(job)
    trial = trials.study.trials[2]
    assert trial.state.name == "PRUNED" and trial.value == 0.1
    assert trial.intermediate_values == {10: 0.4, 20: 0.1}  # the baseline at step 0 is none of its doing
    assert trials.ended == 3


def test_several_evaluations_at_once_are_judged_one_by_one(tmp_path) -> None:
    trials = with_two_good_ones(tmp_path, median())
    job = evaluated(tmp_path, 2, (10, 0.1), (20, 0.6))
    assert "at step 10" in trials.prune(job)
    job.status = PRUNED
    trials.tell(job)
    assert trials.study.trials[2].intermediate_values == {10: 0.1, 20: 0.6}


def test_the_last_evaluation_of_a_whole_run_comes_too_late(tmp_path) -> None:
    trials = with_two_good_ones(tmp_path, median())
    assert trials.prune(evaluated(tmp_path, 2, (40, 0.0))) is None


def test_less_can_be_better(tmp_path) -> None:
    trials = open_trials(tmp_path, SPACE, n_trials=6, pruning=median(), directions=("minimize",))
    for number in range(2):
        trials.ask()
        finish(trials, tmp_path, number, 0.3, 0.5)
    trials.ask()
    assert trials.prune(evaluated(tmp_path, 2, (10, 0.1))) is None
    trials.ask()
    assert trials.prune(evaluated(tmp_path, 3, (10, 0.6))) is not None


def test_a_resumed_trial_reports_no_step_twice_and_a_decision_survives(tmp_path) -> None:
    trials = with_two_good_ones(tmp_path, median())
    job = evaluated(tmp_path, 2, (10, 0.4), (20, 0.6))
    assert trials.prune(job) is None
    journal = (tmp_path / "optuna.journal").read_text()
    again = open_trials(tmp_path, SPACE, n_trials=6, pruning=median())
    assert again.ask()[0] == 2
    evaluated(tmp_path, 2, (20, 0.6))  # its checkpoint lay before this step
    assert again.prune(job) is None
    new = (tmp_path / "optuna.journal").read_text().removeprefix(journal)
    assert '"intermediate_value"' not in new
    evaluated(tmp_path, 2, (30, 0.2))
    why = again.prune(job)
    assert why is not None
    assert open_trials(tmp_path, SPACE, n_trials=6, pruning=median()).prune(job) == why
    # Killed after the run had ended, before it was told: the next start tells it.
    evaluated(tmp_path, 2, status=PRUNED)
    last = open_trials(tmp_path, SPACE, n_trials=6, pruning=median())
    assert last.study.trials[2].state.name == "PRUNED" and last.ask()[0] == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("asha", {"min_resource": 10, "reduction_factor": 2}),
        ("hyperband", {"min_resource": 10, "max_resource": 40, "reduction_factor": 2}),
    ],
)
def test_halving_keeps_the_best_and_ends_others_early(tmp_path, name: str, options: dict) -> None:
    trials = open_trials(tmp_path, SPACE, n_trials=30, pruning=Pruning(name, METRIC, options, last_step=40))
    spent, best, pruned = 0, 0.0, 0
    while (asked := trials.ask()) is not None:
        number = asked[0]
        end = ((number * 7) % 30) / 30  # each quality once, in a mixed order
        for step in (10, 20, 30, 40):
            job = evaluated(tmp_path, number, (step, end * step / 40))
            spent += 10
            if trials.prune(job):
                job.status, pruned = PRUNED, pruned + 1
                break
        else:
            job.status, job.objective = COMPLETED, end
            best = max(best, end)
        trials.tell(job)
    assert best == 29 / 30 and pruned >= 8
    assert spent < 0.85 * 30 * 40, spent
    # Judged again by a process that knows only the journal, in the same way.
    assert open_trials(tmp_path, SPACE, n_trials=30).ended == 30


def config(**changes) -> dict:
    found = copy.deepcopy(defaults())
    found["reward"] = {"exact_match": {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}}
    found["training"] = {"max_steps": 40}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        found[section][name] = value
    return found


def settled(configuration: dict, *arguments: str, objectives: int = 1, **settings) -> Pruning | None:
    settings = {"pruner": "asha", "pruner_options": {}, "prune_on": "objective", **settings}
    return pruning(settings, read_space({}, arguments or ("seed=1,2",)), configuration, objectives)


def test_rungs_lie_on_evaluations() -> None:
    found = settled(config(evaluation__every=10))
    assert found == Pruning("asha", METRIC, {"reduction_factor": 3, "min_resource": 10}, 40)
    part = settled(config(evaluation__every=0.25), pruner="hyperband", prune_on="eval/held_out/reward")
    assert part.options == {"reduction_factor": 3, "min_resource": 10, "max_resource": 40}
    assert part.metric == "eval/held_out/reward"
    assert settled(config(), pruner="none") is None
    assert settled(config(), "evaluation.every=5,10").options == {"reduction_factor": 3}


@pytest.mark.parametrize(
    ("configuration", "settings", "said"),
    [
        (config(), {}, "evaluation.every=null makes none; write evaluation.every=10"),
        (config(evaluation__every=40), {}, "evaluation.every=40 makes none"),
        (config(evaluation__every=10), {"objectives": 2}, "goes by one objective, and there are 2"),
        (config(evaluation__every=10), {"prune_on": "eval/held_out/acuracy"}, "did you mean 'eval/held_out/accuracy'"),
        (config(evaluation__every=10), {"pruner_options": {"min_resorce": 1}}, "no option min_resorce; did you mean"),
        (config(evaluation__every=10), {"pruner_options": {"reduction_factor": 1}}, "asha refuses them"),
    ],
)
def test_a_pruner_without_anything_to_go_by_is_refused(configuration: dict, settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settled(configuration, **settings)


def test_trials_of_another_objective_do_not_count(tmp_path) -> None:
    trials = open_trials(tmp_path, SPACE, n_trials=6)
    for number, name in enumerate([METRIC, "eval/held_out/reward"]):
        trials.ask()
        job = evaluated(tmp_path, number)
        result = read_json(tmp_path / str(number) / "result.json")
        assert result["objective"]["name"] == METRIC
        (tmp_path / str(number) / "result.json").write_text('{"objective": {"name": "%s"}}' % name)  # noqa: UP031
        trials.tell(Job(number, [], COMPLETED, objective=0.5, folder=job.folder))
    assert [trial.state.name for trial in trials.study.trials] == ["COMPLETE", "FAIL"]
