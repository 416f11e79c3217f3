"""The fixture that runs the real command."""

import subprocess

import pytest
from real_runs import COMMAND, environment


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
