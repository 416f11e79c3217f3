"""Redraw a block of lines in place at the bottom of a terminal, writing only what changed.

Not rich's `Live`: that erases and rewrites every line on each refresh (which flickers over a slow link)
and leaves fragments behind when the terminal becomes narrower. Here a frame that equals the last one costs
nothing, a changed line is overwritten where it stands, and on a resize the old frame is found and wiped.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

from rich.cells import cell_len

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Terminals that know it show what lies between in one go; the others ignore it.
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
ERASE_LINE_END, ERASE_BELOW = "\x1b[K", "\x1b[J"


class Painter:
    """Owns the lines of the frame; the cursor rests at the start of the line below it.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._shown: list[str] = []  # as written, with colours
        self._cells: list[int] = []  # their widths
        self._size: tuple[int, int] | None = None
        self._echo: tuple[int, Any] | None = None
        self._lock = threading.RLock()  # a thread of the program may print while a frame is drawn

    def open(self) -> None:
        """Hide the cursor, and keep typed keys from being echoed into the picture."""
        self._echo = _echo_off(sys.stdin)
        self._write(HIDE_CURSOR)

    def close(self) -> None:
        """Leave the last frame where it is; give the cursor and the echo back. May be called again."""
        self._write(SHOW_CURSOR)
        _echo_restore(self._echo)
        self._echo = None

    def forget(self) -> None:
        """Take the frame as gone (the process was stopped, the shell wrote below it): draw a new one here."""
        self._shown, self._cells = [], []

    def paint(self, frame: Sequence[tuple[str, str]], size: tuple[int, int], whole: bool = False) -> None:
        """Show a frame in place of the last one.

        Args:
            frame: its lines, each as (with escape sequences, plain text); fewer than the terminal has rows.
            size: columns and rows of the terminal now.
            whole: write every line, the unchanged ones too.
        """
        with self._lock:
            self._paint(frame, size, whole)

    def _paint(self, frame: Sequence[tuple[str, str]], size: tuple[int, int], whole: bool) -> None:
        lines = [styled for styled, _ in frame]
        whole = whole or size != self._size
        if lines == self._shown and not whole:
            return
        out = [BEGIN, self._rewind(size)]
        for i, text in enumerate(lines):
            if not whole and i < len(self._shown) and self._shown[i] == text:
                out.append("\r\n")
            else:
                out.append(f"{text}{ERASE_LINE_END}\r\n")
        out += [ERASE_BELOW, END]
        self._shown, self._cells, self._size = lines, [cell_len(plain.rstrip()) for _, plain in frame], size
        self._write("".join(out))

    def write_above(self, text: str) -> None:
        """Print text above the frame (it scrolls away as all output does) and redraw the frame below it."""
        text = text.replace("\r\n", "\n").rstrip("\n").replace("\n", ERASE_LINE_END + "\r\n")
        with self._lock:
            rewind = self._rewind(self._size or (80, 24))
            redrawn = "".join(f"{one}{ERASE_LINE_END}\r\n" for one in self._shown)
            self._write(f"{BEGIN}{rewind}{text}{ERASE_LINE_END}\r\n{redrawn}{ERASE_BELOW}{END}")

    def _rewind(self, size: tuple[int, int]) -> str:
        """Move to the frame's first line; where the terminal got narrower, its lines have been wrapped."""
        if not self._shown:
            return "\r"
        columns, rows = size
        if self._size is not None and columns < self._size[0]:
            up = sum(max(1, -(-cells // columns)) for cells in self._cells)
            return f"\r\x1b[{min(up, rows - 1)}A{ERASE_BELOW}"
        return f"\r\x1b[{min(len(self._shown), rows - 1)}A"

    def _write(self, text: str) -> None:
        # A terminal that went away (closed window, dropped connection) must not end the run.
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()


class Above:
    """Stands in for sys.stdout or sys.stderr while a frame is shown: whole lines appear above the frame.

    Args:
        painter: whose frame it is.
        stream: the stream it stands in for; everything but writing is asked of it.
    """

    def __init__(self, painter: Painter, stream: IO[str]) -> None:
        self._painter = painter
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Take text; every line that it completes is shown."""
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._painter.write_above(whole)
        return len(text)

    def flush(self) -> None:
        """Wait for the line's end: half a line cannot be shown above a frame."""

    def finish(self) -> None:
        """Show what has no line end yet."""
        if self._rest:
            self._painter.write_above(self._rest)
            self._rest = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _echo_off(stdin: IO[str] | None) -> tuple[int, Any] | None:
    """Switch the terminal's echo off; None without a terminal, or when this process is in the background."""
    try:
        import termios
    except ImportError:
        return None
    try:
        fd = stdin.fileno() if stdin is not None else -1
        if not os.isatty(fd) or os.tcgetpgrp(fd) != os.getpgrp():
            return None
        before = termios.tcgetattr(fd)
        quiet = termios.tcgetattr(fd)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(fd, termios.TCSADRAIN, quiet)
    except (OSError, ValueError, termios.error):
        return None
    return fd, before


def _echo_restore(saved: tuple[int, Any] | None) -> None:
    if saved is None:
        return
    import signal
    import termios

    fd, before = saved
    # From the background this call would stop the process; with the signal blocked it just works.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
