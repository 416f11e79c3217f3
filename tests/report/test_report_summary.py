"""The verdict: what it says, and that it never says more than was measured."""

from __future__ import annotations

import pytest
from recorded import record_run

from grpo_cli.report.held_out import parse
from grpo_cli.report.read import read_run
from grpo_cli.report.summary import summarise


@pytest.fixture
def summary(tmp_path):
    """Record a run and judge it."""
    return lambda **how: summarise(read_run(record_run(tmp_path / "run", **how)))


def test_a_gain_is_told_with_its_interval(summary):
    told = summary()
    assert told.level == "good"
    assert told.headline == "Held-out accuracy rose from 10\u202f% to 90\u202f%."
    assert told.sentences[0] == "That is +80 points, with a 95\u202f% interval of +75 to +85 points."
    assert "The training reward rose from 0.125 to 0.925" in told.sentences[1]
    assert told.sentences[-1] == "The run completed after step 20."
    assert [f.label for f in told.facts][:3] == ["Held-out accuracy", "Change", "Best step"]


@pytest.mark.parametrize(
    ("accuracy", "interval", "level", "words"),
    [
        ((0.5, 0.5, 0.52), 0.05, "bad", "No change of held-out accuracy that can be told from chance"),
        ((0.5, 0.4, 0.2), 0.05, "bad", "Held-out accuracy fell from 50\u202f% to 20\u202f%."),
        ((0.5, 0.9, 0.7), 0.05, "warning", "rose from 50\u202f% to 70\u202f%, after 90\u202f% at step 10."),
        ((0.5, 0.9, 0.85), 0.05, "good", "Held-out accuracy rose from 50\u202f% to 85\u202f%."),
        ((0.5, 0.5, 0.5), None, "bad", "Held-out accuracy did not change: 50\u202f%."),
        ((0.5, 0.6, 0.7), None, "good", "rose from 50\u202f% to 70\u202f%."),
    ],
)
def test_the_verdict_follows_the_held_out_metric(summary, accuracy, interval, level, words):
    told = summary(accuracy=accuracy, interval=interval)
    assert told.level == level
    assert words in told.headline


def test_a_reward_that_rises_alone_is_called_out(summary):
    assert (
        "The training reward rose while the held-out metric did not" in summary(accuracy=(0.5, 0.4, 0.2)).sentences[1]
    )
    assert "held-out metric did not" not in " ".join(summary(accuracy=(0.1, 0.5, 0.9)).sentences)


def test_a_best_step_before_the_last_is_told(summary):
    told = " ".join(summary(accuracy=(0.5, 0.9, 0.7)).sentences)
    assert "It was best after step 10: 90\u202f%, −20 points since." in told


def test_without_evaluation_nothing_is_claimed(summary):
    told = summary(every=None)
    assert told.level == "neutral"
    assert told.headline == "There is no held-out evaluation, so there is no evidence for or against learning."


def test_an_empty_run(tmp_path):
    told = summarise(read_run(tmp_path))
    assert told.headline == "Nothing has been measured yet."
    assert told.sentences == ["The run is not started."]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("interrupted", "The run was interrupted after step 20 of 40."),
        ("failed", "The run failed after step 20 of 40: CUDA ran out of memory."),
        ("running", "The run goes on after step 20 of 40."),
    ],
)
def test_why_it_ended(summary, status, said):
    assert summary(status=status).sentences[-1] == said


def test_an_early_stop_and_the_best_step_come_from_the_result(tmp_path):
    run = read_run(record_run(tmp_path / "run"))
    run.result |= {"stopped": "no gain in 3 evaluations", "max_steps": 80}
    run.result["best"] = {"step": 10, "metric": "eval/held_out/accuracy", "value": 0.95}
    told = summarise(run)
    assert told.sentences[-1] == "The run ended early after step 20 of 80: no gain in 3 evaluations."
    assert next(f for f in told.facts if f.label == "Best step").value == "10"


def test_names_without_a_data_set_are_the_held_out_rows():
    old, new = parse("eval/accuracy"), parse("eval/held_out/accuracy")
    assert (old.dataset, old.name, old.kind) == (new.dataset, new.name, new.kind) == ("held_out", "accuracy", "percent")
    tagged = parse("eval/gsm8k/level=a/b/pass@4")
    assert (tagged.dataset, tagged.tag, tagged.name) == ("gsm8k", "level=a/b", "pass@4")
    for other in ("eval/held_out/accuracy_low", "eval/held_out/accuracy_gain", "eval/samples", "reward", "eval/a/b/c"):
        assert parse(other) is None
