"""Starts the small composer of driver.py in a process of its own and counts what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from marked_processes import marked_processes

import grpo_cli
from grpo_cli.runs.folder import RunFolder

HERE = Path(__file__).parent


class Composer:
    """One driver.py process; `mark` is in the environment of everything that it starts."""

    def __init__(self, root: Path, behaviour: str, processes: int, grace: float) -> None:
        self.folder = RunFolder(root)
        self.mark = uuid.uuid4().hex
        env = os.environ | {
            "DUMMY": behaviour,
            "TEST_MARK": self.mark,
            "PYTHONPATH": str(Path(grpo_cli.__file__).parents[1]),
        }
        argv = [
            sys.executable,
            str(HERE / "driver.py"),
            str(root),
            str(processes),
            str(grace),
        ]
        self.process = subprocess.Popen(
            argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def rank(self, number: int = 0, seconds: float = 30.0) -> dict[str, Any]:
        """What a rank wrote at its start; waits for it."""
        file = self.folder.root / f"rank{number}.json"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                return json.loads(file.read_text())
            except (OSError, ValueError):
                time.sleep(0.02)
        log = self.folder.worker_log.read_text() if self.folder.worker_log.exists() else "(no log)"
        raise AssertionError(f"rank {number} did not start within {seconds} s: {log}")

    def end(self, seconds: float = 40.0) -> tuple[int, dict[str, Any], float]:
        """Exit code, printed outcome, and how long it took to end from now."""
        started = time.monotonic()
        out, err = self.process.communicate(timeout=seconds)
        took = time.monotonic() - started
        try:
            return self.process.returncode, json.loads(out), took
        except ValueError:
            return self.process.returncode, {"stderr": err}, took

    def left(self, seconds: float = 0.0) -> list[str]:
        """Processes that carry this run's mark, after at most so many seconds."""
        found = []
        for process in marked_processes(self.mark, seconds):
            with contextlib.suppress(psutil.Error):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return found

    def clean(self) -> None:
        for process in marked_processes(self.mark):
            with contextlib.suppress(psutil.Error):
                process.kill()


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Callable[..., Composer]]:
    started: list[Composer] = []

    def start(behaviour: str = "", *, processes: int = 1, grace: float = 10.0) -> Composer:
        started.append(Composer(tmp_path / "run", behaviour, processes, grace))
        return started[-1]

    yield start
    for composer in started:
        composer.clean()
