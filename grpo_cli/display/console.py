"""The console everything is drawn on, and the colours and characters used on it.

Colours are the terminal's own sixteen, so that its theme, dark or light, decides what they look like.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

from rich.console import Console
from rich.text import Text

DIM, BOLD, GOOD, BAD, WARN, ACCENT = "bright_black", "bold", "green", "red", "yellow", "cyan"
STATUS_STYLES = {"completed": GOOD, "failed": BAD, "interrupted": WARN}


@dataclass(frozen=True)
class Glyphs:
    """The signs of a view; one set for Unicode output, one for all other (rich draws boxes and bars by itself)."""

    levels: str  # of a chart's bar, from empty to full
    spinner: str
    arrow: str
    dot: str
    ellipsis: str
    elide: str
    tick: str
    cross: str
    stop: str
    warn: str
    star: str
    up: str
    down: str


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "→", "·", "…", "⋮", "✓", "✗", "■", "▲", "★", "↑", "↓")
ASCII = Glyphs(" .:-=+*#", "|/-\\", "->", "|", "...", ":", "ok", "x", "x", "!", "*", "(max)", "(min)")


class RunConsole(Console):
    """A rich console whose reader may go away (`| head`, a closed window, a full disk): that never ends a run."""

    def on_broken_pipe(self) -> None:
        """Drop all further output, as rich does, but do not exit."""
        with suppress(SystemExit, OSError, ValueError):
            super().on_broken_pipe()

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        """Write out what was printed."""
        try:
            super().__exit__(kind, error, trace)
        except (OSError, ValueError):
            self.quiet = True

    @property
    def glyphs(self) -> Glyphs:
        """The signs that this console's encoding can show."""
        return ASCII if self.options.ascii_only else UNICODE


def make_console(stream: IO[str] | None = None, **options: Any) -> RunConsole:
    """Make a console that prints text as it is: no markup, no emoji codes, no highlighting.

    Args:
        stream: where to write, standard output by default; what its encoding cannot hold is written as `?`.
        options: of rich's `Console`.
    """
    stream = sys.stdout if stream is None else stream
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        with suppress(OSError, ValueError):
            stream.reconfigure(errors="replace")
    return RunConsole(file=stream, markup=False, emoji=False, highlight=False, **options)


def can_redraw(stream: IO[str]) -> bool:
    """Whether a picture can be redrawn in place: on a terminal, and one whose cursor moves."""
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    except ValueError:  # the stream is closed
        return False


def line(*parts: str | Text | tuple[str, str]) -> Text:
    """One line of a picture from pieces, each plain or (text, style); cut where there is no room for all of it."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
