"""What several test files share: running the real command, and the options of a run small enough for a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "grpo_cli.commands.train"]

# A few steps of the embedded default: seconds, and every part of a real run takes part.
SHORT = [
    "display=plain",
    "training.max_steps=4",
    "training.per_device_train_batch_size=16",
    "training.logging_steps=1",
    "dataset.generator_kwargs.num_train=64",
    "evaluation.limit=16",
    "evaluation.every=null",
]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child process: this checkout importable, and nothing of a test runner's own."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "120", **extra}


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Run grpo-train in a fresh folder and return the finished process, its output as text."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


def read_records(path: Path, kind: str | None = None) -> list[dict]:
    """The records of a JSONL file, strictly: a line that is no JSON fails the test."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [r for r in records if kind is None or r.get("kind") == kind]
