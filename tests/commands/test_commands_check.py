"""`grpo-check` as a command: exit codes, what it prints, what it leaves behind, what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from real_runs import environment

COMMAND = [sys.executable, "-m", "grpo_cli.commands.check"]


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run grpo-check in an empty folder, without GPUs."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(CUDA_VISIBLE_DEVICES="", **env),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_the_default_is_right_and_nothing_is_left_behind(check: Callable, tmp_path: Path) -> None:
    done = check("strict=true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing is wrong." in done.stdout and "64 completions" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_errors_exit_2_with_what_to_paste(check: Callable) -> None:
    done = check("training.num_generations=6", "training.top_p=0.9")
    assert done.returncode == 2
    text = done.stdout
    for line in ("error batch.groups", "write: training.num_generations=4", "warning sampling.filter"):
        assert line in text
    assert text.rstrip().endswith("1 error, 1 warning: this run would not work.")


@pytest.mark.parametrize(("flag", "code"), [("strict=true", 1), ("--strict", 1), ("strict=false", 0)])
def test_warnings_exit_1_under_strict_only(check: Callable, flag: str, code: int) -> None:
    assert check("training.top_p=0.9", flag).returncode == code


def test_json_holds_findings_arithmetic_and_memory(check: Callable) -> None:
    done = check("training.num_generations=16", "training.beta=0.04", "launch.num_processes=2", "--json")
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.returncode == 0
    (note,) = told["findings"]
    assert (note["code"], note["severity"]) == ("memory.reference", "note")
    numbers = told["arithmetic"]
    assert (numbers["world_size"], numbers["completions_per_step"], numbers["prompts_per_step"]) == (2, 128, 8)
    assert (numbers["total_steps"], numbers["completions"], numbers["most_tokens"]) == (100, 12800, 12800 * 64)
    assert told["memory"]["peak_bytes"] >= max(told["memory"]["phases"].values())


def test_a_machine_with_gpus_can_be_checked_for_on_one_without(check: Callable) -> None:
    here = check("launch=fsdp2", "--json")
    assert here.returncode == 2 and json.loads(here.stdout)["memory"] is None, "among how many is not known"
    done = check("launch=fsdp2", "launch.num_processes=8", "dry_run=true", "--json")
    assert done.returncode == 0 and "a machine with 8." in done.stderr
    assert json.loads(done.stdout)["arithmetic"]["world_size"] == 8


def test_a_typo_is_told_as_grpo_train_tells_it(check: Callable) -> None:
    done = check("training.learnin_rate=1")
    assert done.returncode == 2
    assert done.stderr == "grpo-check: training.learnin_rate: no such key; did you mean training.learning_rate?\n"
    told = json.loads(check("training.learnin_rate=1", "--json").stdout)
    assert told["exit_code"] == 2 and told["findings"][0]["fixes"] == ["training.learning_rate=1"]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("-m", "grpo-check looks at one configuration"),
        ("strict=perhaps", "strict=perhaps: write strict=true or strict=false."),
        ("--bogus", "There is no option --bogus"),
    ],
)
def test_what_it_does_not_take(check: Callable, argument: str, sentence: str) -> None:
    done = check(argument)
    assert done.returncode == 2 and done.stderr.startswith(f"grpo-check: {sentence}")


def test_help_and_version(check: Callable) -> None:
    assert "strict=true" in check("--help").stdout
    assert check("--version").stdout.startswith("grpo-check ")


def test_a_folder_in_use_is_found_and_left_alone(check: Callable, tmp_path: Path) -> None:
    from grpo_cli.runs.folder import RunFolder
    from grpo_cli.runs.lock import own

    with own(RunFolder(tmp_path / "mine")):
        done = check("hydra.run.dir=mine")
        assert done.returncode == 2 and "in use by process" in done.stdout
        assert "write: hydra.run.dir=mine-2" in done.stdout
    assert check("hydra.run.dir=mine").returncode == 0
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_the_light_part_imports_nothing_heavy_and_takes_little(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "sys.argv = ['grpo-check']\n"
        "from grpo_cli.commands.check import main\n"
        "assert main() == 0\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'accelerate', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(time.process_time())"
    )
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        seconds.append(float(done.stdout.split()[-1]))
    # 0.6 s on the machine this was made on; its processor time, so that a busy machine does not fail the test.
    assert min(seconds) < 1.2


def test_the_rules_take_milliseconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grpo_cli.config import compose
    from grpo_cli.config.freeze import as_dict
    from grpo_cli.launch.hardware import detect
    from grpo_cli.preflight.report import light_report
    from grpo_cli.preflight.situation import situation_of

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["grpo-train"])
    taken: list[float] = []

    def job(cfg, overrides) -> None:
        config, hardware = as_dict(cfg), detect()
        for _ in range(5):
            started = time.process_time()
            light_report(situation_of(config, hardware))
            taken.append(time.process_time() - started)

    compose.run([], job)
    assert min(taken) < 0.1


def test_grpo_train_refuses_in_the_same_words_and_warns_once(tmp_path: Path) -> None:
    def train(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grpo_cli.commands.train", *arguments, "dry_run=true"],
            cwd=tmp_path,
            env=environment(CUDA_VISIBLE_DEVICES=""),
            capture_output=True,
            text=True,
        )

    refused = train("training.sync_ref_model=true", "dataset.limit=2")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 2 and "training.sync_ref_model=false" in refused.stderr
    warned = train("training.top_k=20")
    assert warned.returncode == 0
    assert warned.stderr == (
        "grpo-train: warning: training.top_k=20 samples from another distribution than the one that is trained; "
        "write training.top_k=0.\n"
    )
    assert train("-m", "training.top_k=20", "seed=1,2").stderr.count("warning:") == 1
