"""Real runs killed at real moments, and started again: what is left, what can be read, what comes of it."""

from __future__ import annotations

import json

import pytest
from killing import EXIT_CODES, Command, faults, kill, reached, started_words, unreadable

from grpo_cli.runs.resume import read_result

pytestmark = pytest.mark.slow


@pytest.fixture
def start(tmp_path):
    """Start grpo-train in a fresh directory; whatever a failed test leaves is ended."""
    commands: list[Command] = []

    def run(*arguments: str, **more) -> Command:
        commands.append(Command(tmp_path, *arguments, **more))
        return commands[-1]

    yield run
    for command in commands:
        command.clean()


# A share of all combinations of signal, target, moment and number of processes; tests/launch has more of the launch.
@pytest.mark.parametrize(
    ("name", "target", "moment", "processes"),
    [
        ("SIGINT", "composer", "training", 2),
        ("SIGTERM", "composer", "checkpoint", 1),
        ("SIGKILL", "composer", "model", 1),
        ("SIGTERM", "rank", "training", 1),
        ("SIGINT", "rank", "launch", 2),
        ("SIGKILL", "rank", "checkpoint", 2),
        ("SIGKILL", "rank", "model", 1),
    ],
)
def test_a_killed_run_goes_on_and_completes(start, warm_command, name, target, moment, processes):
    words = started_words(processes)
    first = start(*words)
    reached(first, moment, processes)
    kill(first, name, target, processes)
    code = first.end()
    assert first.left(seconds=3) == []
    folder = first.folder()
    assert unreadable(folder, torn_end_allowed=name == "SIGKILL") == []
    result = json.loads(folder.result.read_text())
    # A report in whatever way a run ends, unless grpo-train itself is gone.
    assert folder.report.exists() == (name != "SIGKILL" or target != "composer")
    if name != "SIGKILL":
        assert (code, result["status"]) == (EXIT_CODES[name], "interrupted"), first.output
    elif target == "composer":
        assert (code, result["status"], read_result(folder)["status"]) == (-9, "running", "interrupted")
    else:
        assert (code, result["status"]) == (1, "failed")
        assert f"Rank {processes - 1} was killed by SIGKILL" in first.output
    second = start(*words, command=warm_command)
    assert second.end() == 0, second.output
    assert ("Going on with" in second.output) == (moment != "launch"), second.output
    assert second.left() == []
    assert faults(second.folder()) == []
