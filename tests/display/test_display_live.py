from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import display_replay
import pytest

from grpo_cli.display.live import LiveDisplay
from grpo_cli.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Recorder:
    """A stream that says it is a terminal and keeps what is written, one entry per write."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def a_terminal_that_moves_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_terminal_that_went_away_does_not_end_the_run(tmp_path: Path) -> None:
    out = Recorder()
    with LiveDisplay(RunFolder(tmp_path), display_replay.HEADER, out) as display:

        def gone(text: str) -> int:
            raise OSError(5, "Input/output error")

        out.write = gone
        display.note("still here")
        display.tick()
        display.finish({"status": "completed"})


def test_nothing_new_costs_no_output_but_the_spinner(tmp_path: Path) -> None:
    folder, out = RunFolder(tmp_path), Recorder()
    display_replay.replay(folder, list(display_replay.simulate())[:100])
    with LiveDisplay(folder, display_replay.HEADER, out) as display:
        before = len(out.writes)
        for _ in range(5):
            display.tick()
        assert len(out.writes) - before <= 1  # a turn of the spinner may fall between
    assert HIDE_CURSOR in out.writes[0] and SHOW_CURSOR in out.writes[-1]


def test_prints_of_the_program_appear_above_and_the_streams_come_back(tmp_path: Path, monkeypatch) -> None:
    folder, out = RunFolder(tmp_path), Recorder()
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(RuntimeError), LiveDisplay(folder, display_replay.HEADER, out):
        print("hello", "there")
        raise RuntimeError
    assert sys.stdout is out
    text = "".join(out.writes)
    assert "hello there" in text
    assert text.rstrip().endswith(SHOW_CURSOR)


def test_no_colour_where_none_is_wanted(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        out = Recorder()
        with LiveDisplay(RunFolder(tmp_path), display_replay.HEADER, out):
            pass
        assert ("\x1b[1;36m" in "".join(out.writes)) is coloured


# ---------------------------------------------------------------------- a real terminal

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Tmux:
    """A terminal of its own, away from the user's tmux server."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def __call__(self, *args: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", *args]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def start(self, *args: str, **env: str) -> None:
        extra = " ".join(f"{k}={v}" for k, v in env.items())
        # pytest loads readline, which exports the size it found: rich would take that for the user's wish.
        shell = f"env -u COLUMNS -u LINES PS1='$ ' PYTHONPATH={ROOT} {extra} bash --norc --noprofile"
        self("new-session", "-d", "-x", "80", "-y", "24", shell)
        self.wait(lambda text: "$" in text)
        self.type(f"cd {ROOT}; clear; {sys.executable} tests/display/display_replay.py {' '.join(args)}")

    def type(self, text: str) -> None:
        self("send-keys", "-l", text)
        self("send-keys", "Enter")

    def text(self) -> str:
        return self("capture-pane", "-p")

    def cursor_shown(self) -> bool:
        return self("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def wait(self, condition: Callable[[str], bool], seconds: float = 20.0) -> str:
        end = time.time() + seconds
        while not condition(text := self.text()):
            assert time.time() < end, f"not seen within {seconds} s:\n{text}"
            time.sleep(0.1)
        return text


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path / "s")
    yield terminal
    subprocess.run(["tmux", "-S", str(terminal.socket), "kill-server"], capture_output=True, check=False)


@needs_tmux
@pytest.mark.slow
def test_a_run_watched_in_a_terminal_through_resizes(tmux: Tmux) -> None:
    tmux.start("--speed", "3", CI="")
    text = tmux.wait(lambda text: "held-out accuracy" in text and "tokens/s" in text)
    assert text.count("grpo-train  addition") == 1 and text.count("╭─ reward") == 1
    assert not tmux.cursor_shown()
    for columns, rows in ((50, 24), (80, 12), (120, 40), (80, 24)):
        tmux("resize-window", "-x", str(columns), "-y", str(rows))
        # Redrawn at the new size: the title once, no line wrapped, and the bar as wide as the terminal.
        text = tmux.wait(
            lambda text, columns=columns: (
                text.count("grpo-train  addition") == 1
                and any(min(columns, 110) - 3 <= len(one) <= columns for one in text.splitlines())
            ),
            seconds=5,
        )
        assert text.count("Ctrl-C saves") <= 1, text
    tmux.wait(lambda text: "from transformers import pipeline" in text)
    assert tmux.cursor_shown()
    history = tmux("capture-pane", "-p", "-S", "-100")
    assert "✓ completed" in history and "0.10 → 0.99  +0.89" in history  # the last frame stays


@needs_tmux
@pytest.mark.slow
def test_ctrl_c_gives_the_terminal_back(tmux: Tmux) -> None:
    tmux.start("--speed", "2", CI="")
    tmux.wait(lambda text: "tokens/s" in text)
    tmux("send-keys", "C-c")
    text = tmux.wait(lambda text: "No checkpoint had been saved yet" in text)
    assert "interrupted" in text and "Traceback" not in text
    assert tmux.cursor_shown()
    tmux.type("echo 'echo' is 'back'")
    assert "echo 'echo' is 'back'" in tmux.wait(lambda text: "echo is back" in text)


@needs_tmux
@pytest.mark.slow
def test_an_exception_gives_the_terminal_back_and_is_readable(tmux: Tmux) -> None:
    tmux.start("--speed", "2", "--print-at", "1.5", "--fail-at", "3", CI="")
    tmux.wait(lambda text: "RuntimeError: planted failure" in text)
    assert tmux.cursor_shown()
    assert "a line printed meanwhile" in tmux("capture-pane", "-p", "-S", "-100")


@needs_tmux
@pytest.mark.slow
def test_a_terminal_without_unicode_or_colour(tmux: Tmux) -> None:
    tmux.start("--speed", "3", CI="", PYTHONIOENCODING="ascii", NO_COLOR="1")
    tmux.wait(lambda text: "held-out accuracy" in text and "tokens/s" in text)
    assert tmux.text().isascii()
    assert not re.search(r"\x1b\[(3[0-7]|9[0-7])m", tmux("capture-pane", "-p", "-e"))
