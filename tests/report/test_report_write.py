"""How a run writes its own report: never in its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from omegaconf import OmegaConf
from real_runs import REPOSITORY
from recorded import record_run

from grpo_cli.config.schema import defaults
from grpo_cli.report.write import Refresher, write_at_end
from grpo_cli.runs.folder import RunFolder

SETTINGS = {"enabled": True, "every": None, "max_mb": 200.0}


def test_the_file_of_the_group_holds_its_defaults():
    assert OmegaConf.to_container(OmegaConf.load(REPOSITORY / "conf/report/default.yaml")) == defaults()["report"]
    assert defaults()["report"] == SETTINGS


def test_a_report_that_cannot_be_written_fails_nothing_and_says_why(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run", steps=2))
    folder.report.mkdir()
    write_at_end(folder, SETTINGS)
    assert "IsADirectoryError" in (folder.logs / "report.log").read_text(encoding="utf-8")


def test_a_signal_ends_the_writing_and_not_the_program(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run", steps=2))
    os.mkfifo(folder.root / "doctor.jsonl")  # reading it waits for ever
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    write_at_end(folder, SETTINGS)
    assert not folder.report.exists()
    assert "KeyboardInterrupt" in (folder.logs / "report.log").read_text(encoding="utf-8")


def test_it_can_be_left_out(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run", steps=2))
    write_at_end(folder, {**SETTINGS, "enabled": False})
    with Refresher(folder, {**SETTINGS, "enabled": False, "every": 0.001}) as refresher:
        time.sleep(0.01)
        refresher.tick()
    assert not folder.report.exists()


def test_it_is_refreshed_while_the_run_goes_on_and_leaves_no_process(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run", steps=2, status="running"))
    with Refresher(folder, {**SETTINGS, "every": 0.05}) as refresher:
        refresher.tick()
        assert refresher._process is None  # not due yet
        time.sleep(0.06)
        refresher.tick()
        process = refresher._process
        refresher.tick()
        assert refresher._process is process  # one at a time
        end = time.monotonic() + 30
        while not folder.report.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert folder.report.read_text(encoding="utf-8").startswith("<!doctype html>")
        process.wait(30)
        time.sleep(0.06)
        refresher.tick()
        second = refresher._process
        assert second is not process
    assert second.poll() is not None
    assert (folder.logs / "report.log").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("module", ["grpo_cli.report.write", "grpo_cli.jobs.job"])
def test_a_run_that_has_begun_loads_no_report_until_it_ends(module):
    code = f"import sys, {module}\nprint([m for m in sys.modules if m.startswith('grpo_cli.report.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "['grpo_cli.report.write']"
