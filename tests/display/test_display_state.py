from __future__ import annotations

import pytest

from grpo_cli.display.state import RunState


def step(state: RunState, number: int, time: float, tokens: int = 0) -> None:
    state.on_event({"event": "step", "step": number, "max_steps": 10, "tokens": tokens, "time": time})


def phase(state: RunState, name: str, time: float) -> None:
    state.on_event({"event": "phase", "name": name, "time": time})


def test_the_rate_leaves_the_evaluation_out_and_the_first_step_too() -> None:
    state = RunState()
    phase(state, "training", 0.0)
    step(state, 1, 30.0)  # compiling
    assert state.rate is None and state.eta() is None
    step(state, 2, 32.0)
    phase(state, "evaluating", 32.0)
    phase(state, "training", 132.0)
    step(state, 3, 134.0, tokens=400)
    assert state.rate == pytest.approx(0.5)
    assert state.tokens_per_second == pytest.approx(100.0)
    assert state.eta() == pytest.approx(14.0)
    assert state.eta(now=135.0) == pytest.approx(13.0)  # one second into the fourth step
    assert state.eta(now=1000.0) == pytest.approx(12.0)  # a step that takes long is not taken off twice


def test_a_worker_that_never_says_training_gets_no_rate_from_an_evaluation() -> None:
    state = RunState()
    phase(state, "training", 0.0)
    for n in range(1, 4):
        step(state, n, float(n))
    phase(state, "evaluating", 3.0)
    step(state, 4, 103.0)
    assert state.rate is None
    step(state, 5, 104.0)
    assert state.rate == pytest.approx(1.0)


def test_a_new_session_starts_its_own_clock() -> None:
    state = RunState()
    phase(state, "starting", 0.0)
    state.on_event({"event": "warning", "message": "old", "time": 1.0})
    phase(state, "training", 1.0)
    step(state, 1, 2.0)
    step(state, 2, 3.0)
    phase(state, "starting", 1000.0)
    assert state.elapsed(1005.0) == 5.0 and state.rate is None and not state.warnings


def test_held_out_is_the_reward_when_nothing_says_what_is_correct() -> None:
    state = RunState()
    state.on_metrics({"kind": "eval", "step": 0, "eval/held_out/reward": -3.0})
    state.on_metrics({"kind": "eval", "step": 5, "eval/held_out/reward": 2.0})
    assert (state.held_out_name, state.held_out) == ("reward", [(0, -3.0), (5, 2.0)])


def test_nan_and_infinity_come_as_text_and_stay_out_of_the_history() -> None:
    state = RunState()
    state.on_metrics({"kind": "train", "step": 1, "reward": "nan", "loss": "inf"})
    state.on_metrics({"kind": "train", "step": 2, "reward": 0.5})
    state.on_metrics({"kind": "eval", "step": 2, "eval/held_out/accuracy": "nan"})
    assert state.rewards == [(2, 0.5)] and state.held_out == []


def test_a_repeated_warning_is_kept_once() -> None:
    state = RunState()
    for _ in range(3):
        state.on_event({"event": "warning", "message": "slow", "time": 1.0})
    assert list(state.warnings) == ["slow"]
