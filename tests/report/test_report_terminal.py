"""Several runs in a terminal: a row is a line, on 80 columns and in a file."""

import io
import re

import pytest
from recorded import record_run

from grpo_cli.report.read import read_run
from grpo_cli.report.terminal import print_comparison


@pytest.fixture
def runs(tmp_path):
    return [read_run(record_run(tmp_path / name)) for name in ("with_a_kl_term", "without")]


def rows(text):
    first = text.split("What differs")[0]
    return [line for line in first.splitlines() if line.startswith(("with_a_kl_term  ", "without  "))]


def test_a_narrow_terminal_gets_whole_words_and_fewer_columns(runs, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    out = io.StringIO()
    print_comparison(runs, out)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert len(rows(out.getvalue())) == 2 and all("+75 to +85" in row for row in rows(out.getvalue()))
    assert max(map(len, lines)) <= 80
    assert any("no room here for: held-out metric" in line for line in lines)


def test_a_file_gets_every_column(runs):
    out = io.StringIO()
    print_comparison(runs, out)
    assert all("held-out accuracy" in row and "+75 to +85" in row for row in rows(out.getvalue()))
    assert "no room" not in out.getvalue()
