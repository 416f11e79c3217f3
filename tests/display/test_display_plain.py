from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import display_replay
import pytest

from grpo_cli.display import make_display
from grpo_cli.display.plain import PlainDisplay
from grpo_cli.runs import jsonl
from grpo_cli.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
SMALL = [
    {"event": "phase", "name": "starting", "time": 1000.0},
    {"event": "phase", "name": "loading model", "time": 1000.0},
    {"event": "resolved", "key": "training.bf16", "value": False, "why": "no GPU", "time": 1001.0},
    {
        **{"event": "plan", "time": 1002.0, "max_steps": 100, "num_train_prompts": 4000},
        **{"num_eval_prompts": 256, "parameters": 125000, "world_size": 2, "start_step": 0},
    },
    {"event": "phase", "name": "evaluating", "time": 1002.0},
    {"kind": "eval", "step": 0, "time": 1002.9, "eval/held_out/accuracy": 0.1},
    {"event": "phase", "name": "training", "time": 1003.0},
    {"event": "step", "step": 9, "max_steps": 100, "tokens": 0, "time": 1004.0},
    {"event": "step", "step": 10, "max_steps": 100, "tokens": 1234, "time": 1005.0},
    {
        **{"kind": "train", "step": 10, "time": 1005.0, "reward": 0.534, "loss": 0.0123, "kl": 0.002},
        **{"entropy": 0.4, "completions/mean_length": 31.4},
    },
    {"event": "warning", "message": "all of a\ngroup scored \x1b[31mthe same", "time": 1005.5},
    {"event": "phase", "name": "evaluating", "time": 1006.0},
    {"kind": "eval", "step": 10, "time": 1007.0, "eval/held_out/accuracy": 0.62},
    {"event": "checkpoint", "step": 10, "path": "checkpoints/checkpoint-10", "time": 1007.5},
    {"event": "phase", "name": "done", "time": 1008.0},
]
LINES = """\
grpo-train  addition
model: embedded
dataset: addition
rewards: exact_match + format
folder: outputs/addition/2026-01-31_12-00-00
starting
loading model
training.bf16=false  (no GPU)
plan: 100 steps, 4,000 prompts, 256 held out, 125,000 parameters, 2 processes
evaluating
eval step 0: accuracy 0.10 (before training)
training
step 10/100  reward 0.53  loss 0.01  kl 2e-3  entropy 0.4  length 31  1,234 tok/s  eta 1:30
warning: all of a group scored the same
eval step 10: accuracy 0.62 (+0.52)
checkpoint step 10: checkpoints/checkpoint-10
done
"""


def test_the_lines_exactly(tmp_path: Path) -> None:
    folder, out = RunFolder(tmp_path), io.StringIO()
    with PlainDisplay(folder, display_replay.HEADER, out) as display:
        display_replay.replay(folder, SMALL)
        display.tick()
        display.tick()
    assert out.getvalue() == LINES


def test_a_line_in_pieces_gives_the_same_lines(tmp_path: Path) -> None:
    folder, out = RunFolder(tmp_path), io.StringIO()
    with PlainDisplay(folder, display_replay.HEADER, out) as display:
        for record in SMALL:
            display_replay.write(folder, record)
            display.tick()
    assert out.getvalue() == LINES


def test_what_an_earlier_session_did_is_not_told_again(tmp_path: Path) -> None:
    folder, out = RunFolder(tmp_path), io.StringIO()
    display_replay.replay(folder, SMALL)
    with PlainDisplay(folder, {"folder": "x"}, out) as display:
        display.tick()
        assert out.getvalue() == "grpo-train\nfolder: x\n"
        # resumed from before step 10: the metrics file is cut back, step 10 comes a second time
        jsonl.write_atomic(folder.metrics, "")
        jsonl.append(folder.metrics, {"kind": "eval", "step": 0, "time": 1002.9, "eval/held_out/accuracy": 0.1})
        jsonl.append(folder.metrics, {"kind": "train", "step": 10, "time": 2005.0, "reward": 0.6})
        display.tick()
    assert out.getvalue().splitlines()[2:] == ["step 10/100  reward 0.6"]


def test_quiet_prints_only_the_summary(tmp_path: Path) -> None:
    folder, out = RunFolder(tmp_path), io.StringIO()
    with make_display("quiet", folder, display_replay.HEADER, out) as display:
        display_replay.replay(folder, SMALL)
        display.tick()
        display.note("stopping")
        assert out.getvalue() == ""
        display.finish({"status": "completed", "seconds": 8.0, "step": 10, "max_steps": 100})
    assert "held-out accuracy  0.10" in out.getvalue() and "0.62" in out.getvalue()


def test_the_mode_follows_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grpo_cli.errors import ConfigError

    folder = RunFolder(tmp_path)
    assert isinstance(make_display("auto", folder, {}, io.StringIO()), PlainDisplay)
    assert isinstance(make_display("live", folder, {}, io.StringIO()), PlainDisplay)
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        for env, mode, name in (
            ({"TERM": "xterm"}, "auto", "LiveDisplay"),
            ({"TERM": "xterm", "CI": "true"}, "auto", "PlainDisplay"),
            ({"TERM": "xterm", "CI": "true"}, "live", "LiveDisplay"),
            ({"TERM": "dumb"}, "auto", "PlainDisplay"),
            ({"TERM": "xterm"}, "plain", "PlainDisplay"),
            ({"TERM": "xterm"}, "quiet", "Display"),
        ):
            monkeypatch.delenv("CI", raising=False)
            for key, value in env.items():
                monkeypatch.setenv(key, value)
            assert type(make_display(mode, folder, {}, terminal)).__name__ == name, (env, mode)
    os.close(master)
    with pytest.raises(ConfigError, match="display=loud is not known; write display=auto, live, plain or quiet"):
        make_display("loud", folder, {})


def run_piped(*args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    command = f"{sys.executable} tests/display/display_replay.py --speed 400 {' '.join(args)}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        timeout=60,
    )


def test_a_reader_that_goes_away_neither_ends_the_run_nor_shows_a_traceback(tmp_path: Path) -> None:
    done = run_piped("--folder", str(tmp_path / "run"), "| head -n 1")
    assert done.stderr == b"" and done.returncode == 0
    assert done.stdout.startswith(b"grpo-train") and done.stdout.count(b"\n") == 1
    assert (tmp_path / "run" / "model").exists()  # made after the replay's end


def test_plain_lines_on_an_ascii_stream() -> None:
    done = run_piped("--mode plain", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout.isascii() and b"step 100/100" in done.stdout and b"->" in done.stdout


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, grpo_cli.display; assert 'rich' not in sys.modules; "
        "import grpo_cli.display.live, grpo_cli.display.summary, grpo_cli.display.jobs; "
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'accelerate', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
