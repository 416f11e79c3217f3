"""The live view: the picture of the run, redrawn in place on a terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import IO, Any

from rich.color import ColorSystem
from rich.style import Style
from rich.text import Text

from grpo_cli.display.base import Display
from grpo_cli.display.painter import Above, Painter
from grpo_cli.display.terminal import encodable, make_console, stream_glyphs
from grpo_cli.display.view import Scene, build
from grpo_cli.runs.folder import RunFolder

BEATS_PER_SECOND = 8
WHOLE_FRAME_SECONDS = 3.0
"""So often everything is redrawn, which mends what another program may have written over the picture."""


class LiveDisplay(Display):
    """Redraws the run's picture on every tick that has something new to show.

    Args:
        folder: the run folder.
        header: `name`, `model`, `dataset`, `rewards`, `folder`; every one may be missing.
        stream: the terminal; standard output by default.
    """

    def __init__(self, folder: RunFolder, header: dict[str, Any], stream: IO[str] | None = None) -> None:
        super().__init__(folder, header, stream)
        self._glyphs = stream_glyphs(self.stream)
        console = make_console(self.stream)
        self._coloured = console.color_system is not None and not console.no_color
        self._painter = Painter(self.stream)
        self._redirected: list[tuple[str, Any, Above]] = []
        self._handlers: dict[int, Any] = {}
        self._drawn: tuple[Any, ...] | None = None
        self._changed = True
        self._whole_at = time.time()
        self._styles: dict[str, Style] = {}

    def __enter__(self) -> LiveDisplay:
        super().__enter__()
        self._painter.open()
        self._redirect()
        self._watch_suspension()
        self.tick()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def tick(self) -> None:
        """Look for news and redraw; call it about ten times a second."""
        if self._closed:
            return
        if self.follower.poll():
            self._changed = True
        self._paint()

    def show_note(self, text: str) -> None:
        """Show one line from the program itself in the picture."""
        self._changed = True
        self._paint()

    def leave(self, result: dict[str, Any]) -> None:
        """Draw the last frame, which stays, and give the terminal back."""
        if not self._closed:
            self._changed = True
            self._paint(result)
        self._close()

    # ------------------------------------------------------------------ drawing

    def _paint(self, result: dict[str, Any] | None = None) -> None:
        now = time.time()
        size = _size_of(self.stream)
        columns, rows = max(12, size[0]), max(3, size[1])
        beat = int(now * BEATS_PER_SECOND)
        moment = (columns, rows, beat, self.follower.state.stopping)
        if not self._changed and moment == self._drawn:
            return
        self._changed, self._drawn = False, moment
        scene = Scene(
            self.follower.state,
            self.header,
            columns,
            rows - 1,
            self._glyphs,
            now,
            beat,
            result,
            self.note_text,
        )
        frame = [(self._ansi(row), row.plain) for row in build(scene)]
        whole = now - self._whole_at >= WHOLE_FRAME_SECONDS
        self._whole_at = now if whole else self._whole_at
        self._painter.paint(frame, (columns, rows), whole)

    def _ansi(self, row: Text) -> str:
        """The line in the terminal's own sixteen colours, so that its theme, dark or light, decides."""
        row.rstrip()
        if not self._coloured:
            return encodable(row.plain, self.stream)
        pieces, last = [], 0
        for start, end, style in _flat(row):
            if start > last:
                pieces.append(row.plain[last:start])
            if style not in self._styles:
                self._styles[style] = Style.parse(style)
            pieces.append(self._styles[style].render(row.plain[start:end], color_system=ColorSystem.STANDARD))
            last = end
        pieces.append(row.plain[last:])
        return encodable("".join(pieces), self.stream)

    # ------------------------------------------------------------------ the terminal's state

    def _redirect(self) -> None:
        """Let what the program prints meanwhile appear above the picture."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            same_terminal = stream is self.stream or (name == "stderr" and _is_tty(stream))
            if same_terminal:
                above = Above(self._painter, stream)
                self._redirected.append((name, stream, above))
                setattr(sys, name, above)

    def _watch_suspension(self) -> None:
        """Ctrl-Z gives the terminal back whole; on return a fresh picture is drawn."""
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGTSTP"):
            return
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
            return

        def suspend(number: int, frame: FrameType | None) -> None:
            self._painter.close()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
            os.kill(os.getpid(), signal.SIGTSTP)
            # ... here the process stands still until it is continued ...
            signal.signal(signal.SIGTSTP, suspend)
            self._painter.open()
            self._painter.forget()
            self._changed = True

        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, suspend)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for name, stream, above in self._redirected:
            above.finish()
            if getattr(sys, name) is above:
                setattr(sys, name, stream)
        self._painter.close()
        for number, handler in self._handlers.items():
            with contextlib.suppress(ValueError):
                signal.signal(number, handler)


def _flat(row: Text) -> list[tuple[int, int, str]]:
    """The styled stretches of a line, in order; the view never nests them."""
    return sorted((s.start, s.end, str(s.style)) for s in row.spans if s.style and s.end > s.start)


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _size_of(stream: IO[str]) -> tuple[int, int]:
    """Columns and rows of the terminal itself: COLUMNS and LINES do not follow a resize."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        size = shutil.get_terminal_size()
    return size.columns, size.lines
