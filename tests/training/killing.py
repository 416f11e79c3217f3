"""Starts the real command, waits for a moment of its run, kills it there, and checks what is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil
from marked_processes import marked_processes
from real_runs import COMMAND, SHORT, environment

from grpo_cli.runs.checkpoints import COMPLETE_MARK
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read

STEPS = 4
EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}


def started_words(processes: int) -> list[str]:
    """A short run of the embedded default that saves a checkpoint after every step."""
    batch = 16 // processes
    return [
        *SHORT,
        f"training.max_steps={STEPS}",
        f"training.per_device_train_batch_size={batch}",
        "training.save_steps=1",
        f"launch.num_processes={processes}",
    ]


class Command:
    """One start of grpo-train in a directory; everything that it starts carries a mark in its environment.

    A start that is neither killed nor looked into can have the command `warm_command`, whose workers start at once.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        command: Sequence[str] = COMMAND,
        stdout: int = subprocess.PIPE,
        **more,
    ) -> None:
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # the tests run as a shell's background job
            signal.signal(signal.SIGINT, signal.default_int_handler)  # or the command would ignore Ctrl-C too
        self.directory = directory
        self.mark = uuid.uuid4().hex
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=directory,
            env=environment(TEST_MARK=self.mark),
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **more,
        )
        self.output = ""

    def end(self, seconds: float = 240) -> int:
        """Wait for its end; returns the exit code."""
        self.output, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode

    def folder(self) -> RunFolder:
        """The newest run folder in the directory."""
        found = self.wait(lambda: sorted(self.directory.glob("outputs/grpo/*")), "a run folder")
        return RunFolder(found[-1])

    def wait(self, condition, what: str, seconds: float = 180, pause: float = 0.0005):
        """Wait until a condition is true while the command runs; returns its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert self.process.poll() is None, f"ended before {what}: {self.process.communicate()[0]}"
            assert time.monotonic() < deadline, f"no {what} within {seconds} s"
            time.sleep(pause)
        return value

    def rank(self, number: int, processes: int) -> int | None:
        """The process id of a rank, once it runs."""
        for process in self.left():
            with contextlib.suppress(psutil.Error, OSError):
                # `accelerate launch` names the worker as well, but runs another module itself.
                words, variables = process.cmdline(), process.environ()
                if (
                    "grpo_cli.training.worker" in words
                    and "accelerate.commands.launch" not in words
                    and (processes == 1 or variables.get("RANK") == str(number))
                    and not any(word.endswith("warden.py") for word in words)
                ):
                    return process.pid
        return None

    def left(self, seconds: float = 0.0) -> list[psutil.Process]:
        """Processes of this start that still run, after at most so many seconds; the command itself not."""
        return marked_processes(self.mark, seconds, but=self.process.pid)

    def clean(self) -> None:
        """End whatever is left, after a test that failed."""
        for process in [*self.left(), self.process]:
            with contextlib.suppress(psutil.Error, OSError):
                process.kill()


def reached(command: Command, moment: str, processes: int) -> None:
    """Wait for a moment of the first run in a directory.

    Args:
        command: the start.
        moment: `launch` (every rank is there and imports), `training` (in step 2), `checkpoint` (of step 2, half
            saved) or `model` (the final one, half saved).
        processes: ranks.
    """
    folder = command.folder()
    if moment == "launch":
        command.wait(lambda: all(command.rank(r, processes) for r in range(processes)), "the ranks", pause=0.02)
        time.sleep(0.3)
    elif moment == "training":
        command.wait(lambda: any(e["event"] == "step" for e in read(folder.events)), "step 1", pause=0.02)
        saved = folder.checkpoints / "checkpoint-1" / COMPLETE_MARK
        command.wait(saved.exists, "checkpoint 1", pause=0.02)
        time.sleep(0.1)
    elif moment == "checkpoint":
        saving = folder.checkpoints / "checkpoint-2"
        command.wait(saving.exists, "checkpoint 2")
    else:
        command.wait((folder.root / ".model.tmp").exists, "the final model")


def kill(command: Command, name: str, target: str, processes: int) -> None:
    """Send a signal to the composer or to the last rank."""
    pid = command.process.pid if target == "composer" else command.rank(processes - 1, processes)
    os.kill(pid, getattr(signal, name))


def unreadable(folder: RunFolder, torn_end_allowed: bool = False) -> list[str]:
    """The JSON and JSONL files of a run that cannot be read whole, with the reason."""
    found = []
    for path in sorted(folder.root.rglob("*.json*")):
        if any(part.startswith("checkpoint-") or part == ".model.tmp" for part in path.parts):
            continue  # a checkpoint is whole or it is not, which its mark says
        texts = path.read_text(encoding="utf-8").split("\n") if path.suffix == ".jsonl" else [path.read_text()]
        for number, text in enumerate(texts, 1):
            last = path.suffix == ".jsonl" and number == len(texts)
            if last and (not text or torn_end_allowed):
                continue
            try:
                json.loads(text)
            except ValueError as error:
                found.append(f"{path.relative_to(folder.root)}:{number}: {error}")
    return found


def faults(folder: RunFolder, steps: int = STEPS) -> list[str]:
    """What is wrong with a run that is said to be complete: its result, its records, its model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = unreadable(folder)
    result = json.loads(folder.result.read_text())
    if (result["status"], result["exit_code"], result["step"]) != ("completed", 0, steps):
        found.append(f"result: {result['status']}, exit code {result['exit_code']}, step {result['step']}")
    trained = [r["step"] for r in read(folder.metrics) if r["kind"] == "train"]
    if trained != list(range(1, steps + 1)):
        found.append(f"steps in metrics.jsonl: {trained}")
    evaluated = [r["step"] for r in read(folder.metrics) if r["kind"] == "eval"]
    if evaluated != [0, steps]:
        found.append(f"evaluations in metrics.jsonl: {evaluated}")
    for split, per_step, expected in (("train", 16, list(range(1, steps + 1))), ("eval", 16, [0, steps])):
        written = [r["step"] for r in read(folder.completions(split))]
        if written != [step for step in expected for _ in range(per_step)]:
            found.append(f"steps in completions/{split}.jsonl: {written}")
    if list(folder.root.glob(".*")):
        found.append(f"left over: {[p.name for p in folder.root.glob('.*')]}")
    AutoModelForCausalLM.from_pretrained(folder.model)
    AutoTokenizer.from_pretrained(folder.model)
    return found
