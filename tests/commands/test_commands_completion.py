"""Tab completion: what is answered, and a real bash with real key presses."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grpo_cli.config.completion import complete, line_so_far
from grpo_cli.config.places import conf_dir


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--fie", ["--fields"]),
        ("--fields training.bet", ["training.beta"]),
        ("--cfg j", ["job"]),
        ("--config-dir rec", []),  # the shell's own file names
        ("peft=", ["peft=dora", "peft=lora", "peft=none", "peft=qlora"]),
        ("reward=[exact_match,fo", ["reward=[exact_match,format"]),
        ("-m algorithm=grpo,da", ["algorithm=grpo,dapo"]),
        ("experiment=mi", ["experiment=mine"]),
        ("model=emb", ["model=embedded"]),
        ("model=./loc", ["model=./local/"]),
        ("dataset=ro", ["dataset=rows.jsonl"]),
        ("display=l", ["display=live"]),
        ("training.bf16=", ["training.bf16=true", "training.bf16=false", "training.bf16=auto", "training.bf16=null"]),
        ("training.loss_type=dr", ["training.loss_type=dr_grpo"]),
        ("training.max_comp", ["training.max_completion_length="]),
        ("+training.bet", ["+training.beta="]),
        ("dataset.col", ["dataset.columns."]),
        ("launch.num_pr", ["launch.num_processes="]),
        ("trai", None),  # groups, sections and what is composed are Hydra's
        ("dataset.columns.ans", None),
        ("reward.exact_match.ex", None),
        ("training.beta=", None),
    ],
)
def test_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: list[str] | None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local").mkdir()
    (tmp_path / "rows.jsonl").touch()
    (tmp_path / "rolled.py").touch()
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").touch()
    assert complete(f"grpo-train {line}") == expected


def test_the_line_ends_at_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "grpo-train training.max_ model=hub")
    monkeypatch.setenv("COMP_POINT", str(len("grpo-train training.max_")))
    assert line_so_far() == "grpo-train training.max_"


@pytest.fixture
def type_into_bash(tmp_path: Path):
    """An interactive bash with completion set up as documented; gives what a line looks like after Tab."""
    script = tmp_path / "bin" / "grpo-train"
    script.parent.mkdir()
    # As an installed console script: a file of that name on the PATH.
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(conf_dir().parent)!r})\n"
        "from grpo_cli.commands.train import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}
        os.chdir(tmp_path)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)

    def read_until(wanted: Callable[[str], bool]) -> str:
        text, deadline = "", time.monotonic() + 30
        while not wanted(text) and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                text += os.read(terminal, 65536).decode().replace("\a", "")  # without its bell
        return text

    def typed(line: str, expected: str) -> str:
        os.write(terminal, f"{line}\t".encode())
        seen = read_until(lambda text: expected in text)
        os.write(terminal, b"\x15")  # Ctrl-U: an empty line again
        return seen

    os.write(terminal, b'eval "$(grpo-train -sc install=bash)"; echo set"" up\n')
    assert "set up" in read_until(lambda text: "set up" in text)
    yield typed
    os.write(terminal, b"exit\n")
    os.close(terminal)
    os.waitpid(pid, 0)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_real_key_presses(type_into_bash) -> None:
    for line, completed in [
        ("grpo-train mod", "grpo-train model"),  # then = or .
        ("grpo-train model=emb", "grpo-train model=embedded"),
        ("grpo-train training.max_comp", "grpo-train training.max_completion_length="),
        ("grpo-train peft=lora training.loss_type=ci", "training.loss_type=cispo"),
        ("grpo-train reward=[exact_match,fo", "reward=[exact_match,format"),
        ("grpo-train --fie", "grpo-train --fields"),
    ]:
        seen = type_into_bash(line, completed)
        assert completed in seen
        assert "usage" not in seen and "Error" not in seen
