"""Who owns a folder, and when an owner on another machine is given up."""

import json
import os
import time

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.runs import lock
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import read_result, update_result
from grpo_cli.runs.sweep import find_unfinished, runs_now


@pytest.fixture
def folder(tmp_path):
    """A run of another machine, which still says that it runs."""
    folder = RunFolder(tmp_path / "run")
    update_result(folder, status="running", host="elsewhere", pid=1)
    folder.logs.mkdir()
    folder.lock.write_text("1 on elsewhere")
    return folder


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_run_elsewhere_is_alive_until_it_has_long_been_silent(folder):
    assert read_result(folder)["status"] == "running"
    age(folder.lock, lock.SILENCE - 30)
    assert read_result(folder)["status"] == "running"
    age(folder.lock, lock.SILENCE + 30)
    assert read_result(folder)["status"] == "interrupted"
    assert [path.name for path in folder.logs.iterdir()] == ["lock"]


def test_what_cannot_be_told_counts_as_alive(folder):
    folder.lock.write_text("1")  # of a version that does not touch its lock
    age(folder.lock, 10 * lock.SILENCE)
    assert read_result(folder)["status"] == "running"
    folder.lock.unlink()
    assert read_result(folder)["status"] == "running"


def test_this_machines_clock_does_not_matter(folder, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert read_result(folder)["status"] == "running"


def test_an_owner_touches_the_lock_and_is_named_to_others(folder, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with lock.own(folder):
        age(folder.lock, 10 * lock.SILENCE)
        deadline = time.monotonic() + 10
        while lock.is_silent(folder) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not lock.is_silent(folder)
        with pytest.raises(ConfigError, match=rf"is in use by process {os.getpid()} on \S+; wait"), lock.own(folder):
            pass
    with lock.own(folder):
        pass


def test_a_sweep_elsewhere_that_is_silent_is_gone_on_with(tmp_path):
    sweep = RunFolder(tmp_path / "sweeps" / "a")
    record = {
        "overrides": ["seed=1,2"],
        "process": "1:1",
        "host": "elsewhere",
        "jobs": [{"number": 0, "overrides": ["seed=1"], "status": "running"}],
    }
    sweep.logs.mkdir(parents=True)
    (sweep.root / "sweep.json").write_text(json.dumps(record))
    sweep.lock.write_text("1 on elsewhere")
    assert runs_now(record) and runs_now(record, sweep.root)
    assert find_unfinished(sweep.root.parent, ["seed=1,2"]) is None
    age(sweep.lock, lock.SILENCE + 30)
    assert not runs_now(record, sweep.root)
    assert find_unfinished(sweep.root.parent, ["seed=1,2"]) == sweep.root
