"""The doctor beside a recorder: where findings are written, when a run is asked to end, what a resumed run repeats."""

import json
import time

import pytest
from real_runs import read_records
from recordings import load

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.doctor import Doctor
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.watch import Watching
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.recorder import Recorder


@pytest.fixture
def watch(tmp_path):
    """Begin watching a run folder; gives the recorder to feed and the list of reasons to stop."""

    def begin(facts=None, **settings):
        recorder, reasons = Recorder(RunFolder(tmp_path)), []
        doctor = Doctor(Facts.of(facts or {}), DoctorConfig(**settings), told=read(recorder.folder.doctor))
        watching = Watching(doctor, recorder, stop=reasons.append)
        watching.begin()
        recorder.listeners.append(watching)
        return recorder, reasons

    return begin


def play(recorder, lines):
    for line in lines[1:]:
        if "kind" in line:
            line = dict(line)
            recorder.metrics(line.pop("kind"), line.pop("step"), line)


def test_a_finding_is_written_everywhere(watch, capsys):
    recorder, reasons = watch()
    play(recorder, load("kl_blow_up"))
    folder = recorder.folder
    findings = read_records(folder.doctor)
    assert [f["rule"] for f in findings] == ["kl_blow_up", "reward_collapse", "truncated"]
    assert set(findings[0]) == {"step", "rule", "severity", "symptom", "evidence", "cause", "try"}
    events = [r for r in read_records(folder.events) if r["event"] == "doctor"]
    assert [{k: v for k, v in e.items() if k not in ("event", "time")} for e in events] == findings
    assert json.loads(folder.result.read_text())["doctor"] == findings
    assert "doctor: step 10: kl_blow_up:" in capsys.readouterr().out
    assert reasons == []


def test_stop_on_asks_once_for_each_of_its_rules_with_the_reason(watch):
    recorder, reasons = watch(stop_on=["reward_collapse"])
    play(recorder, load("kl_blow_up"))
    assert len(reasons) == 1
    assert "doctor.stop_on=reward_collapse" in reasons[0] and "the reward has collapsed" in reasons[0]


def test_a_resumed_run_is_not_told_again_and_its_past_counts(watch):
    lines = load("tiny_learning_rate")
    half = next(i for i, line in enumerate(lines) if line.get("step") == 40)
    recorder, _ = watch()
    play(recorder, lines[:half])
    assert not recorder.folder.doctor.exists()
    recorder, _ = watch()
    play(recorder, [{}, *lines[half:]])
    assert [f["rule"] for f in read_records(recorder.folder.doctor)] == ["reward_flat"]
    recorder, reasons = watch(stop_on=["reward_flat"])
    play(recorder, [{}, *lines[-3:]])
    assert reasons == [] and len(read_records(recorder.folder.doctor)) == 1


def test_a_mistake_in_a_rule_does_not_end_the_run(watch, monkeypatch):
    recorder, _ = watch()
    monkeypatch.setitem(__import__("grpo_cli.doctor.rules", fromlist=["RULES"]).RULES, "broken", lambda *a: 1 / 0)
    play(recorder, load("kl_blow_up"))
    warnings = [r for r in read_records(recorder.folder.events) if r["event"] == "warning"]
    assert len(warnings) == 1 and "ZeroDivisionError" in warnings[0]["message"]
    assert len(read_records(recorder.folder.metrics, "train")) == 9


def test_the_first_mistake_of_a_reward_is_seen_in_its_completions(watch):
    """Completions reach the rules through the recorder: here, empty ones that earn more than the others."""
    recorder, reasons = watch(stop_on=["degenerate"])
    lines = load("default_seed1")
    for step in (1, 2, 3):
        recorder.completions(
            "train",
            [
                {"step": step, "group": i // 8, "prompt": f"What is {i // 8}?", "completion": "" if i % 4 else str(i),
                 "reward": 1.0 if i % 4 else 0.2, "length": 1, "columns": {"answer": str(i // 8)}}
                for i in range(64)
            ],
        )  # fmt: skip
    play(recorder, lines[:6])
    assert "empty completions win (75 % of the last 192 completions" in reasons[0]


def test_a_step_costs_less_than_a_millisecond():
    """CPU time of all rules on a log of a run of 5,000 steps, and of boiling down 512 completions."""
    doctor = Doctor()
    log = next(line for line in reversed(load("with_kl")) if line.get("kind") == "train")
    same = {"step": 1, "prompt": "p" * 500, "length": 500}
    records = [same | {"group": i // 8, "completion": f"{i}" + "x" * 2000, "reward": i % 2} for i in range(512)]
    for step in range(1, 5000):
        doctor.history.add(log | {"step": step, "reward": 0.5 + step % 7 / 10})
    began = time.process_time()
    for step in range(5000, 5100):
        doctor.metrics(log | {"step": step, "reward": 0.5 + step % 7 / 10})
        doctor.completions(records)
    assert (time.process_time() - began) / 100 < 0.003  # the machine of a test is a busy one: three times the room
