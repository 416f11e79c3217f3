"""All that a frame of the live view is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from grpo_cli.display.console import DIM, Glyphs, RunConsole
from grpo_cli.display.state import RunState

MAX_WIDTH = 110
"""Beyond this the eye has to travel; the view stays at the left."""


@dataclass
class Scene:
    """All that a frame is drawn from.

    Args:
        state: the run.
        header: `name`, `model`, `dataset`, `rewards`, `folder`; every one may be missing.
        console: its size and encoding decide what is shown.
        now: epoch seconds.
        result: result.json's content once the run ended.
        note: one line from the program itself ("stopping after this step").
    """

    state: RunState
    header: dict[str, Any]
    console: RunConsole
    now: float
    result: dict[str, Any] | None = None
    note: str = ""

    @property
    def width(self) -> int:
        """Cells that a line may take."""
        return min(MAX_WIDTH, self.console.width)

    @property
    def height(self) -> int:
        """Lines that the frame may take: the last one of the terminal stays free for the cursor."""
        return max(1, self.console.height - 1)

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""
        return self.console.glyphs

    def panel(self, title: Text, body: Sequence[Text], **options: Any) -> Panel:
        """A box with a title at the left, and a subtitle at the right."""
        return Panel(Group(*body), title=title, title_align="left", subtitle_align="right", border_style=DIM, **options)
