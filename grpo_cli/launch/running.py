"""A started command and everything below it, which has ended when the block that started it is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from grpo_cli.launch.process import Process
from grpo_cli.launch.stem import take_stem
from grpo_cli.launch.tree import ProcessTree

TICK_SECONDS = 0.1
TERM_SECONDS = 2.0
WARDEN = Path(__file__).with_name("warden.py")


@contextmanager
def running(
    argv: Sequence[str], env: Mapping[str, str], *, run_id: str, log: Path | None
) -> Iterator[tuple[Process, ProcessTree]]:
    """Start a command under a warden (see warden.py); on leaving, in whatever way, all of it has ended.

    A worker is forked where this process was given the means (see stem.py), and started anew otherwise.

    Args:
        argv: the command.
        env: its whole environment.
        run_id: value of `GRPO_TRAIN_RUN` in it, by which strays are found.
        log: where its output is appended; None starts it in this terminal, without a warden.

    Yields:
        The process that stands for the command (it ends as the command ends), and its tree.
    """
    reading, writing = os.pipe()  # the writing end is ours alone: it closes with us, and the warden notices
    try:
        process = started(argv, env, log, reading)
        os.close(reading)
        reading = -1
        tree = ProcessTree(process.pid, run_id)
        try:
            yield process, tree
        finally:
            if process.poll() is None:
                tree.terminate(TERM_SECONDS, wait=lambda: pause(process))
            os.close(writing)  # the warden kills what is left, and knows the shared memory it held
            writing = -1
            with suppress(subprocess.TimeoutExpired):
                process.wait(TERM_SECONDS if log is not None else 0)
            # After a run that ended by itself too: something may have escaped the warden.
            tree.kill(wait=lambda: pause(process))
            with suppress(subprocess.TimeoutExpired):
                process.wait(TERM_SECONDS)
    finally:
        for fd in (reading, writing):
            if fd >= 0:
                os.close(fd)


def started(argv: Sequence[str], env: Mapping[str, str], log: Path | None, pipe: int) -> Process:
    """Start a command under a warden that notices when the other end of the pipe closes; without one in a terminal."""
    if log is None:
        return subprocess.Popen(argv, env=env)
    with log.open("ab") as out:
        stem = take_stem(argv, env)
        if stem and (process := stem.start(argv, env, [pipe, out.fileno()])):
            return process
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(WARDEN), str(pipe), *argv],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=[pipe],
        )


def pause(process: Process) -> None:
    """Let a little time pass, less where the process ends meanwhile."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(TICK_SECONDS)
