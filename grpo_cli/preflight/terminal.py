"""Aligned and wrapped text with a little colour, without the fifty milliseconds that importing rich takes."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

_CODES = {
    "bold": "1", "dim": "2", "green": "32", "bold red": "1;31", "bold yellow": "1;33", "bold blue": "1;34",
    "bold green": "1;32",
}  # fmt: skip


class Terminal:
    """Writes to a stream, in colour where it is a terminal (NO_COLOR and FORCE_COLOR are heeded).

    Args:
        stream: standard output by default.
        width: columns; those of the terminal by default.
    """

    def __init__(self, stream: TextIO | None = None, width: int | None = None) -> None:
        self.stream = stream or sys.stdout
        env = os.environ
        shown = self.stream.isatty() and env.get("TERM") != "dumb"
        self.colour = not env.get("NO_COLOR") and (shown or bool(env.get("FORCE_COLOR")))
        self.width = max(40, width or shutil.get_terminal_size((100, 24)).columns)

    def style(self, text: str, style: str) -> str:
        """A text in a style, such as "bold red"."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def line(self, text: str = "", style: str | None = None) -> None:
        """Write one line as it is."""
        print(self.style(text, style) if style else text, file=self.stream)

    def paragraph(self, text: str, style: str | None = None, indent: int = 2) -> None:
        """Write wrapped text; its own line breaks stay."""
        for part in text.splitlines() or [""]:
            for line in self._wrap(part, self.width - indent):
                self.line(" " * indent + (self.style(line, style) if style else line))

    def table(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Write rows of (name, value, detail), the detail wrapped in its column."""
        first = max((len(name) for name, _, _ in rows), default=0) + 2
        second = max((len(value) for _, value, _ in rows), default=0) + 2
        room = max(30, self.width - first - second)
        for name, value, detail in rows:
            lines = self._wrap(detail, room)
            for number, text in enumerate(lines):
                head = self.style(f"{name:<{first}}", "bold") + f"{value:<{second}}" if number == 0 else ""
                line = f"{head or ' ' * (first + second)}{self.style(text, 'dim')}"
                self.line(line.rstrip())

    @staticmethod
    def _wrap(text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
