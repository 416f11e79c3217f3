"""The command line of grpo-report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from real_runs import environment

from grpo_cli.commands import report

sys.path.append(str(Path(__file__).parents[1] / "report"))
from recorded import record_run


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run grpo-report in an empty folder; gives exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["grpo-report", *argv])
        code = report.main()
        return code, *capsys.readouterr()

    return run


def test_a_page_is_written_into_the_run_or_where_one_says(command, tmp_path):
    record_run(tmp_path / "run", steps=3)
    assert command("run") == (0, "run/report.html\n", "")
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert command("run", "out=there/page.html", "--quiet") == (0, "", "")
    assert (tmp_path / "there" / "page.html").exists()


def test_several_runs_and_folders_of_runs_are_compared(command, tmp_path):
    for name in ("0", "1"):
        record_run(tmp_path / "sweep" / name, steps=3, config={"seed": int(name)})
    assert command("sweep") == (0, "report.html\n", "")
    assert "2 runs" in (tmp_path / "report.html").read_text(encoding="utf-8")
    code, out, _ = command("sweep/0", "sweep/1", "--text")
    assert code == 0
    assert [line.split() for line in out.splitlines() if line.startswith("seed")] == [["seed", "0", "1"]]


def test_the_terminal_gets_the_same(command, tmp_path):
    record_run(tmp_path / "run", texts=["\x1b[31mred"], config={"name": "\x1b[31mred", "seed": 7})
    code, out, err = command("run", "--text")
    assert (code, err) == (0, "")
    assert "Held-out accuracy rose from 10" in out
    assert "\x1b" not in out
    assert ["seed", "7", "42"] in [line.split() for line in out.splitlines()]
    for title in ("Is it learning?", "Time per phase", "What the doctor found", "What differs from the defaults"):
        assert title in out


def test_plots_become_files(command, tmp_path):
    record_run(tmp_path / "run", steps=3)
    code, out, _ = command("run", "plots=svg")
    assert code == 0 and "run/plots/held-out.svg" in out.splitlines()
    assert (tmp_path / "run" / "plots" / "reward.svg").exists()


def test_two_runs_are_told_apart(command, tmp_path):
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        record_run(tmp_path / name, steps=2, config={"seed": seed})
    code, out, err = command("diff", "a", "b")
    assert (code, err) == (1, "")
    assert "seed" in out
    assert command("diff", "a", "c")[0] == 0


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "Which run? Write grpo-report outputs/grpo/1."),
        (["nowhere"], "nowhere is not there; name the folder of a run, as in outputs/<name>/<date and time>."),
        (["outputs/grpo/1", "plot=svg"], "There is no option plot; did you mean 'plots'?"),
        (["outputs/grpo/1", "--txt"], "There is no option --txt; did you mean '--text'?"),
        (["outputs/grpo/1", "plots=gif"], "plots=gif is not known; write plots=svg, plots=png or plots=pdf."),
        (["outputs/grpo/1", "max_mb=much"], "max_mb=much: write a number of MB, or null for no limit."),
        (["outputs/grpo/1", "port=99999"], "port=99999: write a number from 0 to 65535."),
        (["outputs/grpo/1", "--text", "--serve"], "--text, --serve and plots= are three ways to look at a run"),
        (
            ["outputs/grpo/1", "outputs/grpo/2", "--serve"],
            "--serve follows one run, and 2 were named; write one folder.",
        ),
        (["outputs/grpo/1", "out=outputs"], "cannot be written"),
        (["diff", "outputs/grpo/1"], "diff compares two runs; write grpo-report diff FOLDER FOLDER."),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(command, tmp_path, argv, sentence):
    record_run(tmp_path / "outputs" / "grpo" / "2", steps=1)
    record_run(tmp_path / "outputs" / "grpo" / "1", steps=1)
    code, out, err = command(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("grpo-report: ") and sentence in err
    assert len(err.splitlines()) == 1


def test_no_heavy_module_is_loaded_and_help_loads_nothing(tmp_path):
    record_run(tmp_path / "run", steps=2)
    for argv, modules in (
        (["--help"], ("torch", "transformers", "trl", "datasets", "accelerate", "hydra", "omegaconf", "rich")),
        (["run"], ("torch", "transformers", "trl", "datasets", "accelerate", "numpy", "matplotlib")),
        (["run", "--text"], ("torch", "transformers", "trl", "datasets", "accelerate", "numpy", "matplotlib")),
    ):
        code = (
            f"import sys; sys.argv = ['grpo-report', *{argv!r}]\nfrom grpo_cli.commands.report import main\n"
            f"assert main() == 0\nprint('LOADED', [m for m in {modules!r} if m in sys.modules])"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "LOADED []", argv
