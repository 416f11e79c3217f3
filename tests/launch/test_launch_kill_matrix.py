"""Every way to end a run, with real processes: exit code, what is left, what was saved.

One table for one process and for two ranks under accelerate, which take 3 s to start. What takes longer
than a second or two is marked slow.
"""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

ONE = 1
TWO = pytest.param(2, marks=pytest.mark.slow)


def started(compose, behaviour: str, processes: int, **more):
    composer = compose(behaviour, processes=processes, **more)
    ranks = [composer.rank(r) for r in range(processes)]
    time.sleep(0.2)
    assert len(composer.left()) > processes, "the count below must be able to fail"
    return composer, ranks


@pytest.mark.parametrize("processes", [ONE, TWO])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 143)])
def test_a_signal_in_training_saves_a_checkpoint_and_ends(compose, processes, name, code):
    composer, _ = started(compose, "", processes)
    composer.process.send_signal(getattr(signal, name))
    exit_code, outcome, took = composer.end()
    assert exit_code == code, outcome
    assert outcome["raised"] and outcome["status"] == "interrupted" and outcome["signal"] == name
    for rank in range(processes):
        assert (composer.folder.root / f"checkpoint-by-rank{rank}").read_text() == name
    assert not composer.folder.stop_request.exists()
    assert composer.left() == []
    assert took < 5


@pytest.mark.parametrize("processes", [ONE, TWO])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_before_training_ends_at_once(compose, processes, name, code):
    composer, _ = started(compose, "early", processes, grace=30)
    composer.process.send_signal(getattr(signal, name))
    exit_code, outcome, took = composer.end()
    assert (exit_code, outcome["status"]) == (code, "interrupted")
    assert composer.left() == []
    assert took < 4


@pytest.mark.parametrize("delay", [0.15, 0.3, pytest.param(2.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_a_signal_while_processes_are_being_started(compose, processes, delay):
    composer = compose("early", processes=processes)
    deadline = time.monotonic() + 10
    while not composer.folder.logs.exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # the handlers are in place once supervise() has begun
    time.sleep(delay)
    composer.process.send_signal(signal.SIGTERM)
    exit_code, outcome, took = composer.end()
    assert exit_code == 143, outcome
    assert composer.left() == []
    assert took < 4


@pytest.mark.slow
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_a_second_signal_does_not_wait_for_the_grace(compose, processes):
    composer, _ = started(compose, "stubborn", processes, grace=60)
    composer.process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    assert composer.process.poll() is None, "the first signal waits for the worker"
    composer.process.send_signal(signal.SIGINT)
    exit_code, outcome, took = composer.end()
    assert exit_code == 130, outcome
    assert composer.left() == []
    assert took < 5  # SIGTERM is ignored, so 2 s until SIGKILL


@pytest.mark.slow
def test_a_signal_passed_on_twice_by_a_wrapper_counts_once(compose):
    composer, _ = started(compose, "", ONE)
    composer.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    composer.process.send_signal(signal.SIGINT)
    assert composer.end()[0] == 130
    assert (composer.folder.root / "checkpoint-by-rank0").exists()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_a_worker_that_ignores_everything_is_killed_when_the_grace_ends(compose, processes):
    composer, _ = started(compose, "stubborn", processes, grace=1)
    composer.process.send_signal(signal.SIGTERM)
    exit_code, outcome, took = composer.end()
    assert exit_code == 143, outcome
    assert composer.left() == []
    assert 1 <= took < 6


@pytest.mark.parametrize("behaviour", ["", "early", "stubborn grandchild"])
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_sigkill_to_the_composer_leaves_nothing(compose, processes, behaviour):
    composer, _ = started(compose, behaviour, processes)
    composer.process.kill()
    assert composer.end()[0] == -signal.SIGKILL
    assert composer.left(seconds=3) == []


@pytest.mark.slow
def test_sigkill_to_the_composer_while_accelerate_is_starting(compose):
    composer = compose("early", processes=2)
    time.sleep(1.0)
    composer.process.kill()
    composer.end()
    assert composer.left(seconds=3) == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_sigkill_to_a_rank_is_reported_with_its_rank(compose, processes):
    composer, ranks = started(compose, "grandchild", processes)
    os.kill(ranks[-1]["pid"], signal.SIGKILL)
    exit_code, outcome, _ = composer.end()
    assert (exit_code, outcome["status"], outcome["raised"]) == (1, "failed", False)
    assert outcome["error"].startswith(f"Rank {processes - 1} was killed by SIGKILL")
    assert str(composer.folder.worker_log) in outcome["error"]
    assert composer.left() == []


@pytest.mark.parametrize("processes", [ONE, TWO])
def test_sigkill_to_the_parent_of_a_rank_ends_the_rank_too(compose, processes):
    composer, ranks = started(compose, "stubborn grandchild", processes)
    psutil.Process(ranks[0]["pid"]).parent().kill()  # the warden, or torchrun's agent
    exit_code, outcome, _ = composer.end()
    assert (exit_code, outcome["status"]) == (1, "failed")
    assert "SIGKILL" in outcome["error"]
    assert composer.left() == []


@pytest.mark.parametrize("processes", [ONE, TWO])
def test_sigterm_to_a_rank_counts_as_an_interruption_not_a_failure(compose, processes):
    composer, ranks = started(compose, "", processes)
    os.kill(ranks[-1]["pid"], signal.SIGTERM)
    exit_code, outcome, _ = composer.end()
    assert (exit_code, outcome["status"], outcome["error"]) == (143, "interrupted", None)
    assert composer.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_an_exception_in_the_display_leaves_nothing(compose, processes):
    composer, _ = started(compose, "grandchild", processes)
    (composer.folder.root / "break").touch()
    exit_code, outcome, _ = composer.end()
    assert exit_code == 1
    assert "the display broke" in outcome["stderr"]
    assert composer.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", [ONE, TWO])
def test_what_a_worker_left_running_is_ended_after_a_good_end(compose, processes):
    composer = compose("grandchild quick", processes=processes)
    exit_code, outcome, _ = composer.end()
    assert (exit_code, outcome["status"], outcome["error"]) == (0, "completed", None)
    assert composer.left() == []
