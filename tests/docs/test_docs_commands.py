"""Every command and file in README.md and docs/ works as it is shown; docs_blocks.py has the convention."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from docs_blocks import DOCUMENTS, LIGHT, REPOSITORY, SMALL, blocks, session, trains

# grpo-train as the documents write it: this checkout, training cut short, and workers that are forked (warm_python.py).
SHIM = f"""#!{sys.executable}
import os, sys
command = COMMAND
arguments = sys.argv[1:]
if not any(a in {LIGHT!r} or a.startswith("-sc") for a in arguments):
    # Errors in a config come out the same: what is appended here is right.
    arguments += {SMALL!r}
os.execv(command[0], [*command, *arguments])
"""
# These train nothing and run as they are.
CHECK_SHIM = f'#!/bin/sh\nexec {sys.executable} -m grpo_cli.commands.check "$@"\n'
CHAT_SHIM = f'#!/bin/sh\nexec {sys.executable} -m grpo_cli.commands.chat "$@"\n'
SWEEP_SHIM = f'#!/bin/sh\nexec {sys.executable} -m grpo_cli.commands.sweep "$@"\n'
EVAL_SHIM = f'#!/bin/sh\nexec {sys.executable} -m grpo_cli.commands.eval "$@"\n'
REPORT_SHIM = f'#!/bin/sh\nexec {sys.executable} -m grpo_cli.commands.report "$@"\n'
REWARD_SHIM = f"""#!{sys.executable}
import os, sys
os.execv(sys.executable, [sys.executable, "-m", "grpo_cli.commands.reward", *sys.argv[1:]])
"""


@pytest.fixture
def shell(tmp_path, warm_command):
    """Run a command in an empty folder with the programs on the path; gives exit code and output."""
    folder, programs = tmp_path / "work", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    shims = {"grpo-train": SHIM, "grpo-check": CHECK_SHIM, "grpo-reward": REWARD_SHIM, "grpo-report": REPORT_SHIM}
    shims["grpo-chat"] = CHAT_SHIM
    shims["grpo-eval"] = EVAL_SHIM
    shims["grpo-sweep"] = SWEEP_SHIM
    for name, shim in shims.items():
        (programs / name).write_text(shim.replace("COMMAND", repr(warm_command)), encoding="utf-8")
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(REPOSITORY),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }
    environment.pop("HYDRA_FULL_ERROR", None)

    def run(script: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout

    run.folder = folder
    return run


@pytest.mark.parametrize(
    "document",
    [pytest.param(d, id=d.stem, marks=[pytest.mark.slow] if trains(d) else []) for d in DOCUMENTS if blocks(d)],
)
def test_the_blocks_of_a_document_run(document, shell):
    for block in blocks(document):
        if block.file:
            path = shell.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    for block in blocks(document):
        if block.file:
            continue
        if block.language == "bash":
            code, output = shell(block.text)
            assert code == 0, f"{block.text}\nended with {code}:\n{output}"
        elif block.language == "console":
            for command, shown in session(block.text):
                check_output(command, shown, shell(command)[1])


def check_output(command: str, shown: list[str], output: str) -> None:
    """Find the shown lines in the output, in order; within a line `…` stands for anything."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    at = 0
    for wanted in shown:
        parts = [" ".join(part.split()) for part in wanted.split("…")]
        while at < len(lines) and not matches(parts, lines[at]):
            at += 1
        assert at < len(lines), f"$ {command}\nshould print\n  {wanted}\nand printed\n{output}"


def matches(parts: list[str], line: str) -> bool:
    """Whether a line is the parts in order, with anything between them."""
    if len(parts) == 1:
        return line == parts[0]
    start, end = parts[0], parts[-1]
    if not (line.startswith(start) and line.endswith(end) and len(line) >= len(start) + len(end)):
        return False
    at = len(start)
    for part in parts[1:-1]:
        at = line.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def test_shown_output_is_looked_for_exactly():
    check_output("x", ["one … three", "…", "four"], "one two three\nanything\nfour\n")
    for shown in (["two"], ["four", "one … three"], ["one … four"], ["five"]):
        with pytest.raises(AssertionError):
            check_output("x", shown, "one two three\nanything\nfour\n")


def test_commands_that_are_not_run_are_few_and_parse():
    skipped = [
        line
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language in ("text", "") and not block.file
        for line in block.text.replace("\\\n", " ").splitlines()
        if line.startswith(("grpo-train ", "grpo-reward ", "make ", "pip "))
    ]
    run = sum(len(block.commands) for document in DOCUMENTS for block in blocks(document))
    assert len(skipped) <= run / 2, f"{len(skipped)} commands are shown without being run, {run} are run"
    for line in skipped:
        shlex.split(line)
