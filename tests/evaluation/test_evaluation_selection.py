import math

import pytest

from grpo_cli.evaluation.selection import Best, EarlyStopping, Selection, due
from grpo_cli.runs.checkpoints import rotate

ACCURACY = "eval/held_out/accuracy"


def seen(stopping, values):
    """At which evaluation, from 0, it stops; None where it does not."""
    return next((i for i, value in enumerate(values) if stopping.see(i, value)), None)


@pytest.mark.parametrize(
    ("settings", "values", "stops"),
    [
        ({"patience": 3}, [0.1, 0.2, 0.3, 0.4, 0.5], None),
        ({"patience": 3}, [0.1, 0.5, 0.5, 0.4, 0.45, 0.9], 4),
        ({"patience": 1}, [0.1, 0.1], 1),
        ({"patience": 2}, [0.1, 0.0, 0.2, 0.1, 0.3, 0.1, 0.1], 6),  # one good evaluation starts the count anew
        ({"patience": 2, "min_delta": 0.05}, [0.5, 0.54, 0.549], 2),  # small steps count for nothing
        ({"patience": 2, "mode": "min"}, [5.0, 4.0, 4.5, 6.0], 3),
        ({"patience": 2}, [None, math.nan], 1),
        ({"patience": 2}, [0.5, None, 0.6, math.nan, 0.6], 4),
    ],
)
def test_training_ends_when_nothing_got_better_for_so_long(settings, values, stops):
    assert seen(EarlyStopping(ACCURACY, **settings), values) == stops


def test_the_reason_says_what_did_not_happen():
    stopping = EarlyStopping(ACCURACY, patience=2, min_delta=0.01)
    seen(stopping, [0.5, 0.505, 0.5])
    assert stopping.reason == (
        "evaluation.early_stopping: eval/held_out/accuracy has not risen above 0.5 (step 0) by more than 0.01 "
        "in 2 evaluations"
    )


def test_the_best_are_kept_and_of_equal_ones_the_earlier():
    best = Best(ACCURACY, keep=2)
    assert [best.see(step, value) for step, value in ((2, 0.4), (4, 0.6), (6, 0.5), (8, 0.6), (10, None))] == [
        *(True, True, True, True, False)
    ]
    assert best.kept == [(4, 0.6), (8, 0.6)]
    lowest = Best("train/loss", mode="min")
    assert [lowest.see(1, 2.0), lowest.see(2, 3.0), lowest.see(3, 1.0)] == [True, False, True]


def test_a_selection_goes_on_where_it_was():
    settings = {"early_stopping": {"metric": ACCURACY, "patience": 3}, "best": {"metric": ACCURACY, "keep": 2}}
    straight, broken, resumed = (Selection.of(settings) for _ in range(3))
    values = [0.1, 0.6, 0.5, 0.7, 0.6, 0.6, 0.6]
    for step, value in enumerate(values):
        straight.best.see(step, value), straight.stopping.see(step, value)
    for step, value in enumerate(values):
        chosen = broken if step < 4 else resumed
        if step == 4:
            resumed.load_state(broken.state())
        chosen.best.see(step, value)
        assert chosen.stopping.see(step, value) == (step == 6)
    assert resumed.state() == straight.state()
    assert Selection.of({"early_stopping": {"metric": None}, "best": {"metric": None}}).state() == {
        "early_stopping": None,
        "best": None,
    }


def test_a_share_of_training_is_rounded_to_whole_steps():
    assert [s for s in range(1, 101) if due(0.1, s, 100)] == list(range(10, 100, 10))
    assert [s for s in range(1, 8) if due(0.3, s, 7)] == [2, 4, 6]
    assert not any(due(None, s, 10) or due(20, s, 10) for s in range(1, 11))


def left(directory, limit, **more):
    rotate(directory, limit, **more)
    return sorted(int(p.name.split("-")[1]) for p in directory.iterdir())


def test_rotation_keeps_the_newest_and_the_best(tmp_path):
    for step in (2, 4, 6, 8, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert left(tmp_path, None) == [2, 4, 6, 8, 10]
    assert left(tmp_path, None, passed=[6, 10]) == [2, 4, 8, 10]  # the newest stays: a run may have to go on from it
    assert left(tmp_path, 2, kept=[2]) == [2, 8, 10]
    assert left(tmp_path, 1, kept=[2, 10]) == [2, 8, 10]
    assert left(tmp_path, 1, kept=[2]) == [2, 10]
