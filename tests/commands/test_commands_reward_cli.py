"""`grpo-reward` itself, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grpo_cli import __version__
from grpo_cli.config.places import conf_dir

PROGRAM = [sys.executable, "-m", "grpo_cli.commands.reward"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(conf_dir().parent), "COLUMNS": "110", "HF_HUB_OFFLINE": "1"}


def grpo_reward(cwd: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *argv], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def test_help_and_version(tmp_path: Path) -> None:
    done = grpo_reward(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--completions FILE" in done.stdout and len(done.stdout.splitlines()) < 40
    assert grpo_reward(tmp_path).stdout == done.stdout
    assert grpo_reward(tmp_path, "--version").stdout == f"grpo-reward {__version__}\n"


def test_help_and_list_import_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from grpo_cli.commands import reward\n"
        "for argv in (['--help'], ['list'], ['list', 'exact_match']):\n"
        "    sys.argv = ['grpo-reward', *argv]\n"
        "    assert reward.main() == 0\n"
        "heavy = {'torch', 'transformers', 'datasets', 'trl', 'hydra'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_default_is_clean_without_torch_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from grpo_cli.commands import reward\n"
        "sys.argv = ['grpo-reward', 'try', '--rows', '4']\n"
        "assert reward.main() == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "exact_match  4 of 4,096 rows" in done.stdout and "No findings" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_findings_exit_1_and_json_holds_them(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def kind(completion, answer):\n    return float(answer in completion)\n")
    done = grpo_reward(tmp_path, "try", "reward=[mine.py:kind]", "--rows=4", "--json", "reward.kind.correctness=true")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert {f["severity"] for f in result["findings"]} == {"warning"}
    gold = next(p for p in result["probes"] if p["name"] == "gold, bare")
    assert gold["rewards"]["kind"]["values"] == [1.0] * 4 and len(result["rows"]) == 4
    assert set(result["rewards"]["kind"]["seconds"]) == {"mean", "p50", "p99"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["try", "training.lerning_rate=1"],
            "training.lerning_rate: no such key; did you mean training.learning_rate?",
        ),
        (["try", "reward.exact_match.extrakt=auto"], "did you mean 'extract'?"),
        (["try", "--row=3"], "There is no option --row; did you mean --rows?"),
        (["try", "--rows", "few"], "--rows must be a whole number above 0, not 'few'."),
        (["try", "--completions"], "--completions needs a value; see grpo-reward --help."),
        (["try", "-m", "seed=1,2"], "one configuration at a time"),
        (["try", "reward.exact_match.answr=1", "seed=x"], "seed"),
        (["reward=[format]"], "Which command? Write grpo-reward try reward=[format] …; see grpo-reward --help."),
        (["tri"], "There is no command tri; did you mean 'try'?"),
        (["list", "a", "b"], "one pattern at most"),
        (["replay"], "takes one file"),
        (["replay", "nothing.jsonl"], "There is no file nothing.jsonl"),
    ],
)
def test_wrong_input_exits_2_and_says_what_to_write(tmp_path: Path, argv: list[str], message: str) -> None:
    done = grpo_reward(tmp_path, *argv)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("grpo-reward: ") and message in done.stderr
    assert "Traceback" not in done.stderr and list(tmp_path.iterdir()) == []


def test_a_missing_column_is_told_as_in_training(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def kind(completion, solution):\n    return 1.0\n")
    done = grpo_reward(tmp_path, "try", "reward=[mine.py:kind]", "--rows=4")
    assert done.returncode == 2 and "dataset.columns.solution=answer" in done.stderr


def test_list_of_one_and_all(tmp_path: Path) -> None:
    lines = grpo_reward(tmp_path, "list").stdout.splitlines()
    assert all(line.count("\t") == 3 for line in lines)
    assert any(line.startswith("exact_match\t") and line.endswith("\tanswer") for line in lines)
    detail = grpo_reward(tmp_path, "list", "exact_match").stdout
    assert "columns it needs: answer" in detail and "extract=auto" in detail and ">>> exact_match(" in detail


def test_ctrl_c_exits_130_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import time, pathlib\n"
        "def kind(completion):\n"
        "    pathlib.Path('began').touch()\n"
        "    time.sleep(60)\n"
        "    return 1.0\n"
    )
    child = subprocess.Popen(
        [*PROGRAM, "try", "reward=[mine.py:kind]"], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "began").exists() and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=20)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "Traceback" not in stderr
