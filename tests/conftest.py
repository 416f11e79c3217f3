"""The fixture that runs the real command."""

import os
import subprocess

import pytest
import warm_python
from real_runs import environment


@pytest.fixture(scope="session")
def warm_command(tmp_path_factory):
    """`grpo-train` as a command line whose workers need not import what they need (warm_python.py says how)."""
    root, session = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own in the session's
        root, session = root.parent, os.getppid()
    return warm_python.command(warm_python.start(root / "warm", session, environment()))


@pytest.fixture
def cli(tmp_path, monkeypatch, warm_command):
    """Run grpo-train in a fresh folder and return the finished process, its output as text."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*warm_command, *arguments],
            cwd=tmp_path,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
