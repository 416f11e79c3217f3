"""The line that says which job of a multirun is being checked."""

import io

import pytest

from grpo_cli.display.checking import Checking


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "count", "shown"),
    [
        (Terminal, 60, "\x1b[2KChecking 60 jobs\r\x1b[2KChecking job 1 of 60\r\x1b[2K\r"),
        (Terminal, 2, ""),
        (io.StringIO, 60, ""),
    ],
)
def test_a_terminal_is_told_which_job_is_checked_of_many(monkeypatch, stream, count, shown):
    monkeypatch.setenv("TERM", "xterm")
    out = stream()
    checking = Checking(out)
    checking.begin(count)
    checking.at(0)
    checking.end()
    checking.at(1)  # one that a sampler thinks up later, while the table is shown
    checking.end()
    assert out.getvalue() == shown
