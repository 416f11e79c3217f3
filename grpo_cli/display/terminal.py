"""What the terminal at hand can do, and the characters to use on it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Glyphs:
    """The drawing characters of a view; one set for Unicode terminals, one for all others."""

    levels: str
    done: str
    head: str
    rest: str
    corners: str  # top left, top right, bottom left, bottom right
    across: str
    down: str
    spinner: str
    arrow: str
    dot: str
    ellipsis: str
    tick: str
    cross: str
    stop: str
    warn: str
    elide: str


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "━", "╸", "─", "╭╮╰╯", "─", "│", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "→", "·", "…", "✓", "✗", "■", "▲", "⋮")
ASCII = Glyphs(" .:-=+*#", "=", ">", "-", "++++", "-", "|", "|/-\\", "->", "|", "...", "ok", "x", "x", "!", ":")


def glyphs_for(encoding: str | None, term: str | None = None) -> Glyphs:
    """Choose the characters for an encoding; the Linux console has too few glyphs for the Unicode set."""
    name = (encoding or "ascii").lower().replace("_", "-")
    return UNICODE if name.startswith("utf") and term != "linux" else ASCII


def stream_glyphs(stream: IO[str]) -> Glyphs:
    """Choose the characters for an open text stream."""
    return glyphs_for(getattr(stream, "encoding", None), os.environ.get("TERM"))


def is_live_terminal(stream: IO[str]) -> bool:
    """Whether a view can be redrawn in place: a terminal, and one whose cursor moves."""
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    except ValueError:  # the stream is closed
        return False


def make_console(stream: IO[str] | None = None, **options: Any) -> Console:
    """A rich console that prints text as it is: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    stream = sys.stdout if stream is None else stream
    return Console(file=stream, markup=False, emoji=False, highlight=False, **options)


def encodable(text: str, stream: IO[str]) -> str:
    """The text with what the stream's encoding cannot hold written as `?`."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        return text.encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text
