"""Real runs for tests: the command, options that make a run small enough, and reading what it wrote."""

import json
import os
import sys
from pathlib import Path

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


def read_records(path: Path, kind: str | None = None) -> list[dict]:
    """The records of a JSONL file, strictly: a line that is no JSON fails the test."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [r for r in records if kind is None or r.get("kind") == kind]
