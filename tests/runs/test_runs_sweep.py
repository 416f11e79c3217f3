"""The record of a sweep, and finding the one that a new start goes on with."""

import json

import pytest

from grpo_cli.launch.identity import own_identity
from grpo_cli.runs.sweep import Sweep, find_unfinished, rows, runs_now

ASKED = ["seed=1,2", "training.max_steps=3"]
GONE = f"{own_identity()}0"  # this process's number, another moment: a number used again


@pytest.fixture
def earlier(tmp_path):
    """Write a sweep that ran earlier; returns its folder."""

    def write(name, statuses, asked=ASKED, process=GONE):
        sweep = Sweep(tmp_path / name, [[f"seed={i}"] for i in range(len(statuses))], asked)
        for job, status in zip(sweep.jobs, statuses, strict=True):
            job.status = status
        sweep.process = process
        sweep.save()
        return sweep.directory

    return write


@pytest.mark.parametrize("left", ["not started", "running", "interrupted", "failed"])
def test_the_newest_sweep_of_the_same_overrides_is_gone_on_with(tmp_path, earlier, left):
    earlier("2026-01-01", ["completed", left])
    newest = earlier("2026-01-02", ["completed", left])
    earlier("2026-01-03", ["completed", left], asked=["seed=1,3"])
    assert find_unfinished(tmp_path, ASKED) == newest


def test_how_it_is_watched_and_on_how_many_slots_makes_no_other_sweep(tmp_path, earlier):
    folder = earlier("a", ["interrupted"])
    assert find_unfinished(tmp_path, ["display=plain", "launch.slots=2", *reversed(ASKED)]) == folder
    assert find_unfinished(tmp_path, [*ASKED, "launch.threads=2"]) is None


def test_finished_running_and_submitted_sweeps_are_left_alone(tmp_path, earlier):
    earlier("a", ["interrupted"])
    earlier("b", ["completed", "invalid"])
    assert find_unfinished(tmp_path, ASKED) is None  # the newest one has nothing left to run
    earlier("b", ["completed", "not started"], process=own_identity())
    assert find_unfinished(tmp_path, ASKED) == tmp_path / "a"
    earlier("a", ["submitted", "interrupted"])
    assert find_unfinished(tmp_path, ASKED) is None


def test_a_process_number_used_again_is_not_the_sweep(earlier):
    assert not runs_now(json.loads((earlier("a", ["running"]) / "sweep.json").read_text()))
    assert runs_now(json.loads((earlier("a", ["running"], process=own_identity()) / "sweep.json").read_text()))


def test_secrets_are_not_recorded(tmp_path):
    Sweep(tmp_path, [], ["training.hub_token=abc"])
    assert "abc" not in (tmp_path / "sweep.json").read_text()


def test_rows_name_what_differs():
    jobs = [{"number": n, "overrides": ["a=1", f"b={n}"], "folder": None} for n in range(2)]
    assert [row["overrides"] for row in rows(jobs)] == [["b=0"], ["b=1"]]


@pytest.mark.parametrize("text", ['{"objective": "x", "jobs": [', '{"jobs": [{}]}', '{"jobs": 3}', "[1, 2]", "null"])
def test_a_damaged_record_is_begun_anew(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.json").write_text(text)
    for jobs in ([["seed=1"]], None):
        sweep = Sweep(tmp_path, jobs)
        assert [job.status for job in sweep.jobs] == ["not started"] * len(jobs or [])
        (tmp_path / "sweep.json").write_text(text)
