"""`grpo-sweep`: status, cancel and resume by a sweep's folder."""

import json
import os
import socket
import subprocess
import sys

import pytest

from grpo_cli.commands import sweep as command
from grpo_cli.launch.identity import own_identity, start_mark
from grpo_cli.runs.sweep import Sweep


@pytest.fixture
def folder(tmp_path):
    sweep = Sweep(tmp_path / "sweep", [["seed=1"], ["seed=2"]], ["seed=1,2"])
    sweep.jobs[0].status, sweep.jobs[1].status = "completed", "running"
    sweep.process = f"{own_identity()}0"
    sweep.save()
    return sweep.directory


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["grpo-sweep", *map(str, arguments)])
    return command.main()


def test_status_of_a_killed_sweep(monkeypatch, capsys, folder):
    assert run(monkeypatch, "status", folder) == 0
    out = capsys.readouterr().out
    assert "completed" in out and "interrupted" in out
    assert "1 of 2 jobs completed, 1 interrupted; the sweep does not run" in out


def test_cancel_signals_no_process_that_is_not_the_sweep(monkeypatch, capsys, folder):
    assert run(monkeypatch, "cancel", folder) == 2  # the number recorded is ours, the moment is not
    assert "does not run" in capsys.readouterr().err


def test_cancel_stops_the_sweep_and_waits(monkeypatch, capsys, folder):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    sleeper.stdout.readline()
    record = json.loads((folder / "sweep.json").read_text())
    record |= {"process": f"{sleeper.pid}:{start_mark(sleeper.pid)}", "host": socket.gethostname()}
    (folder / "sweep.json").write_text(json.dumps(record))
    assert run(monkeypatch, "cancel", folder) == 0
    assert sleeper.wait(5) == -15


def test_resume_starts_the_recorded_command_in_its_place(monkeypatch, folder, tmp_path):
    record = json.loads((folder / "sweep.json").read_text())
    record |= {"command": ["-m", "seed=1,2", "hydra.sweep.dir=elsewhere"], "working_directory": str(tmp_path)}
    (folder / "sweep.json").write_text(json.dumps(record))
    started = []
    monkeypatch.chdir("/")
    monkeypatch.setattr(os, "execv", lambda program, argv: started.append((os.getcwd(), argv[3:])))  # noqa: PTH109
    run(monkeypatch, "resume", folder)
    assert started == [(str(tmp_path), ["-m", "seed=1,2", f"hydra.sweep.dir='{folder}'"])]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stats", "x"], "There is no command stats"),
        (["status"], "one sweep's folder"),
        (["status", "/tmp"], "There is no sweep in /tmp"),
        (["status", "x", "--now"], "cancel takes --now"),
    ],
)
def test_wrong_arguments(monkeypatch, capsys, arguments, sentence):
    assert run(monkeypatch, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_secret_of_the_command_line_is_asked_for(monkeypatch, capsys, folder):
    record = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps(record | {"command": ["-m", "training.hub_token=<redacted>"]}))
    assert run(monkeypatch, "resume", folder) == 2
    assert "training.hub_token was given on the command line" in capsys.readouterr().err


def test_nothing_heavy_is_imported(folder):
    code = (
        "import sys; from grpo_cli.commands.sweep import main; "
        "sys.argv = ['grpo-sweep', 'status', sys.argv[1]]; main(); "
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'accelerate', 'hydra', 'omegaconf'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
