"""The search space: Hydra's syntax, conditions, what is refused."""

import pytest

from grpo_cli.config.schema import defaults
from grpo_cli.errors import ConfigError
from grpo_cli.sweep.optuna.check import check_space, takes_whole_numbers
from grpo_cli.sweep.optuna.parameter import Parameter
from grpo_cli.sweep.optuna.space import read_space


def only(argument: str, whole: bool = False) -> Parameter:
    (parameter,) = read_space({}, [argument], lambda key: whole).parameters
    return parameter


def test_hydras_syntax() -> None:
    assert only("x=choice(a,b)").choices == ("a", "b")
    assert only("x=3e-4,5e-4").choices == ("0.0003", "0.0005")
    assert only("reward=[math],[math,format]").choices == ("[math]", "[math,format]")
    log = only("x=tag(log,interval(1e-5,1e-3))")
    assert (log.low, log.high, log.log, log.step, log.is_int) == (1e-5, 1e-3, True, None, False)
    whole = only("x=int(interval(2,9))")
    assert (whole.low, whole.high, whole.step, whole.is_int) == (2, 9, 1, True)
    assert only("x=tag(log,int(interval(1,64)))").log
    assert only("x=interval(2,9)", whole=True).is_int
    assert only("x=range(1,10,3)").points() == [1, 4, 7]
    assert only("x=range(9,1,-4)").points() == [5, 9]
    assert only("x=range(0.1,0.45,0.1)").points() == [0.1, 0.2, 0.3, 0.4]
    assert only("+reward.mine.fail=1,0").override("1") == "+reward.mine.fail=1"


def test_fractions_are_readable_and_inside() -> None:
    wide = only("x=tag(log,interval(1e-6,1e-2))")
    assert wide.override(0.00080934465643) == "x=0.0008093"
    narrow = only("x=interval(0.999,0.9999)")
    assert narrow.override(0.99989999) == "x=0.9999" and narrow.override(0.99912345) == "x=0.9991235"
    assert only("x=interval(0.0,0.99996)").override(0.99996) == "x=0.99996"


def test_the_command_line_wins_over_the_file() -> None:
    written = {"a": "interval(0,1)", "b": [1, 2], "training": {"beta": "interval(0,0.1)"}, "gone": None}
    space = read_space(written, ["a=interval(0,5)", "b=2", "seed=3"])
    assert [(p.key, p.high) for p in space.parameters if not p.choices] == [("a", 5.0), ("training.beta", 0.1)]
    assert space.fixed == ("b=2", "seed=3")


def test_conditions_decide_what_a_point_has() -> None:
    space = read_space(
        {
            "deep": {"values": "range(0,2)", "when": ["width=interval(2,3)", "epsilon=0.3"]},
            "epsilon": {"values": [0.2, 0.3], "when": "algorithm=dapo,'cispo'"},
            "algorithm": ["grpo", "dapo", "cispo"],
        },
        ["width=range(1,3)"],
    )
    assert [p.key for p in space.parameters] == ["algorithm", "epsilon", "width", "deep"]
    grid = space.grid()
    # grpo: 2 widths; the other two: 2 epsilons × 2 widths, and of those with 0.3 and width 2 two each.
    assert len(grid) == 2 + 2 * (2 * 2 + 1)
    assert {"algorithm": "grpo", "width": 1} in grid
    assert {"algorithm": "dapo", "epsilon": "0.3", "width": 2, "deep": 1} in grid
    assert not any("deep" in point and point["epsilon"] == "0.2" for point in grid)
    fixed = read_space({"epsilon": {"values": [1, 2], "when": "algorithm=dapo"}}, ["algorithm=dapo"])
    assert len(fixed.grid()) == 2
    other = read_space({"epsilon": {"values": [1, 2], "when": "algorithm=dapo"}}, ["algorithm=grpo", "x=1,2"])
    assert len(other.grid()) == 2


def test_conveniences_of_the_command_line_hold_for_suggested_values() -> None:
    space = read_space({"model": ["org/a", "org/b"]}, ["seed=1"])
    assert space.overrides({"model": "org/b"}) == ["seed=1", "model=hub", "model.name=org/b"]


@pytest.mark.parametrize(
    ("written", "arguments", "said"),
    [
        ({}, ["seed=1"], "nothing to vary"),
        ({"a": "0.1"}, [], "one value"),
        ({"a": "interval(0.1"}, [], "cannot be read"),
        ({"a": {"when": "b=1"}}, [], "needs values"),
        ({"a": {"values": "1,2", "wen": "b=1"}}, [], "has no wen"),
        ({"a": {"values": "1,2", "when": "bb=1"}, "b_b": "1,2"}, [], "neither varied nor set"),
        ({"a": {"values": "1,2", "when": "b=dapoo"}, "b": "grpo,dapo"}, [], "never holds.*did you mean 'dapo'"),
        ({"a": {"values": "1,2", "when": "b=1"}, "b": {"values": "1,2", "when": "a=1"}}, [], "about each other"),
        ({}, ["sweep.seed=1,2"], "cannot be varied"),
        ({}, ["a=tag(log,interval(0,1))"], "above 0"),
        ({}, ["a=interval(3,1)"], "no interval"),
        ({}, ["a=range(3,1)"], "empty"),
        ({}, ["a=tag(log,choice(1,2))"], "not with single values"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(written: dict, arguments: list, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        read_space(written, arguments)
    assert "\n" not in str(refused.value)


def test_keys_and_ends_are_checked_against_the_schema() -> None:
    config = {**defaults(), "reward": {"exact_match": {"target": "grpo_cli.rewards.correctness:exact_match"}}}
    config["model"]["name"] = "embedded"

    def problems(*arguments: str) -> list[str]:
        try:
            check_space(read_space({}, arguments, takes_whole_numbers), config)
        except ConfigError as error:
            return list(error.problems)
        return []

    assert problems("training.learning_rate=interval(0,1)", "algorithm=grpo,dapo", "seed=1,2") == []
    assert problems("training.num_generations=interval(2,16)") == []
    assert problems("training.learnin_rate=interval(0,1)") == [
        "training.learnin_rate: no such key; did you mean training.learning_rate?"
    ]
    assert "did you mean 'dapo'" in problems("algorithm=grpo,dapoo")[0]
    assert "did you mean algorithm" in problems("algoritm=grpo,dapo")[0]
    assert "training.temperature must be greater than 0" in problems("training.temperature=interval(-1,1)")[0]
    assert "reward.exact_match" in problems("reward.exact_match.no_such_option=1,2")[0]
    assert len(problems("training.beta=a,b", "training.typo=1,2")) == 3
    config["training"] = {"beta": "much"}  # wrong in every trial, unless it is what is varied
    assert "training.beta must be a number" in problems("seed=1,2")[0]
    assert problems("training.beta=0.1,0.2") == []
