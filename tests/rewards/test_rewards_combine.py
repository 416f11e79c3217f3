"""Clipping, running normalisation, gates and schedules, with numbers worked by hand."""

from __future__ import annotations

import json
import math
import random

import pytest
import torch

from grpo_cli.rewards.combine import Combiner, check_combining


def column(values, **entry):
    """One reward alone."""
    return Combiner({"r": entry}).apply([[v] for v in values], names=["r"])


def test_nothing_set_changes_nothing():
    values = [[1.0, None], [5.0, -2.0]]
    combiner = Combiner({"a": {"weight": 2.0}, "b": {"normalize": "none", "gate": None, "clip": None}})
    assert combiner.apply(values, names=["a", "b"]) is values
    assert combiner.weights(7) == [2.0, 1.0]
    assert combiner.state() == {}


def test_clip_cuts_at_both_ends_and_leaves_none():
    assert column([-5.0, 0.5, 3.0, None], clip=[-1, 2]) == [[-1.0], [0.5], [2.0], [None]]


def test_normalised_with_statistics_that_include_the_batch():
    combiner = Combiner({"r": {"normalize": "running"}})
    # 1, 3: mean 2, std 1.
    assert combiner.apply([[1.0], [3.0], [None]], names=["r"]) == [[-1.0], [1.0], [None]]
    # 1, 3, 5, 7: mean 4, std sqrt((9 + 1 + 1 + 9) / 4) = sqrt(5).
    second = combiner.apply([[5.0], [7.0]], names=["r"])
    assert [v for (v,) in second] == pytest.approx([1 / math.sqrt(5), 3 / math.sqrt(5)])
    assert combiner.state()["r"]["count"] == 4


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -1e-9])
def test_equal_values_normalise_to_zero(value):
    assert column([value] * 7, normalize="running") == [[0.0]] * 7


def test_evaluation_leaves_the_statistics_alone():
    combiner = Combiner({"r": {"normalize": "running"}})
    # Nothing seen yet: the batch's own, and they are not kept.
    assert combiner.apply([[10.0], [30.0]], names=["r"], training=False) == [[-1.0], [1.0]]
    assert combiner.state()["r"]["count"] == 0
    combiner.apply([[1.0], [3.0]], names=["r"])
    before = combiner.state()
    assert combiner.apply([[10.0]], names=["r"], training=False) == [[8.0]]
    assert combiner.state() == before


def test_a_resumed_run_goes_on_exactly():
    random.seed(3)
    batches = [[[random.gauss(5, 3)] for _ in range(16)] for _ in range(6)]
    straight, first = (Combiner({"r": {"normalize": "running"}}) for _ in range(2))
    wanted = [straight.apply(batch, names=["r"]) for batch in batches]
    for batch in batches[:3]:
        first.apply(batch, names=["r"])
    resumed = Combiner({"r": {"normalize": "running"}})
    resumed.load_state(json.loads(json.dumps(first.state())))
    assert [resumed.apply(batch, names=["r"]) for batch in batches[3:]] == wanted[3:]
    assert resumed.state() == straight.state()


def test_a_state_of_other_rewards_is_no_obstacle():
    combiner = Combiner({"r": {"normalize": "running"}, "s": {}})
    combiner.load_state({"gone": {"count": 3, "mean": 1.0, "m2": 2.0}})
    assert combiner.state() == {"r": {"count": 0, "mean": 0.0, "m2": 0.0}}


def test_welford_agrees_with_the_plain_formula_far_from_zero():
    random.seed(0)
    values = [1e6 + random.random() for _ in range(1000)]
    combiner = Combiner({"r": {"normalize": "running"}})
    got = [v for (v,) in combiner.apply([[v] for v in values], names=["r"])]
    mean = math.fsum(values) / 1000
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / 1000)
    assert got == pytest.approx([(v - mean) / std for v in values], abs=1e-6)


def test_a_gate_multiplies_by_its_value_between_0_and_1():
    combiner = Combiner({"right": {"gate": "form"}, "form": {}})
    values = [[2.0, 1.0], [2.0, 0.25], [2.0, -3.0], [2.0, 7.0], [2.0, None], [None, 1.0], [-2.0, 0.5]]
    got = combiner.apply(values, names=["right", "form"])
    assert [row[0] for row in got] == [2.0, 0.5, 0.0, 2.0, None, None, -1.0]
    assert [row[1] for row in got] == [row[1] for row in values]


def test_gates_in_a_chain_multiply_whatever_the_order_of_the_config():
    entries = {"a": {"gate": "b"}, "b": {"gate": "c"}, "c": {}}
    for names in (["a", "b", "c"], ["c", "b", "a"]):
        by_name = {"a": 1.0, "b": 0.5, "c": 0.5}
        got = Combiner(entries).apply([[by_name[n] for n in names]], names=names)
        assert dict(zip(names, got[0], strict=True)) == {"a": 0.25, "b": 0.25, "c": 0.5}


def test_the_order_is_clip_normalise_gate():
    combiner = Combiner(
        {"r": {"clip": [0, 2], "normalize": "running", "gate": "g"}, "g": {"clip": [0, 0.5], "normalize": "running"}}
    )
    # r: clipped 0, 2 → mean 1, std 1 → -1, 1. The gate holds with its clipped 0.5, not with its normalised 0.
    got = combiner.apply([[-9.0, 1.0], [9.0, 1.0]], names=["r", "g"])
    assert got == [[-0.5, 0.0], [0.5, 0.0]]


def test_a_tensor_gives_a_tensor_with_the_same_numbers():
    entries = {"a": {"normalize": "running", "gate": "b"}, "b": {}}
    rows = [[1.0, 1.0], [3.0, None], [5.0, 0.5]]
    tensor = torch.tensor([[math.nan if v is None else v for v in row] for row in rows])
    got = Combiner(entries).apply(tensor, names=["a", "b"])
    wanted = Combiner(entries).apply(rows, names=["a", "b"])
    assert got.dtype == tensor.dtype and got.shape == tensor.shape
    assert torch.isnan(got).tolist() == [[v is None for v in row] for row in wanted]
    assert got[~torch.isnan(got)].tolist() == pytest.approx([v for row in wanted for v in row if v is not None])
    assert Combiner(entries).apply(tensor[:0], names=["a", "b"]).shape == (0, 2)


def test_a_column_of_no_entry_stays():
    got = Combiner({"a": {"clip": [0, 1]}}).apply([[5.0, 5.0]], names=["a", "environment"])
    assert got == [[1.0, 5.0]]


def test_a_schedule_is_linear_between_its_steps_and_constant_outside():
    combiner = Combiner({"r": {"weight": 9.0, "schedule": {100: 1.0, 20: 0.0, 200: 0.5}}, "s": {"weight": 0.25}})
    assert [combiner.weights(step)[0] for step in (0, 20, 60, 100, 150, 200, 999)] == [0, 0, 0.5, 1, 0.75, 0.5, 0.5]
    assert combiner.weights(0)[1] == 0.25
    assert Combiner({"r": {"schedule": {"0": 0.0, "10": 1.0}}}).weights(5) == [0.5]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"clip": [1, -1]}, ["reward.r.clip", "[-1, 1]"]),
        ({"clip": [1, 1]}, ["reward.r.clip", "differs"]),
        ({"clip": 3}, ["reward.r.clip", "two numbers", "3"]),
        ({"clip": [0, float("inf")]}, ["reward.r.clip", "two numbers"]),
        ({"normalize": "runing"}, ["reward.r.normalize", "did you mean 'running'"]),
        ({"normalize": True}, ["reward.r.normalize", "none or running"]),
        ({"gate": "fromat"}, ["reward.r.gate", "did you mean 'format'"]),
        ({"gate": "r"}, ["its own gate"]),
        ({"schedule": {"soon": 1.0}}, ["reward.r.schedule", "'soon'", "{0: 0.0, 100: 1.0}"]),
        ({"schedule": {1.5: 1.0}}, ["1.5", "whole numbers"]),
        ({"schedule": {-1: 1.0}}, ["-1", "from 0"]),
        ({"schedule": {0: "much"}}, ["step 0", "'much'"]),
        ({"schedule": {}}, ["reward.r.schedule", "{0: 0.0, 100: 1.0}"]),
        ({"schedule": 0.5}, ["reward.r.schedule", "0.5"]),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(entry, words):
    problems = check_combining({"r": entry, "format": {}})
    assert len(problems) == 1
    assert all(word in problems[0] for word in words), problems


def test_circles_are_refused_once_and_chains_are_not():
    circle = {"a": {"gate": "b"}, "b": {"gate": "c"}, "c": {"gate": "b"}}
    assert check_combining(circle) == ["reward.b.gate: the gates b → c → b go round in a circle; set one to null"]
    assert check_combining({"a": {"gate": "b"}, "b": {"gate": "c"}, "c": {}}) == []


def test_weights_that_are_always_zero_are_refused():
    assert "nothing would be learned" in check_combining({"a": {"schedule": {0: 0.0}}, "b": {"weight": 0}})[0]
    assert check_combining({"a": {"schedule": {0: 0.0, 9: 1.0}}, "b": {"weight": 0}}) == []
