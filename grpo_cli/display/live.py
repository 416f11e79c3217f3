"""The live view: the picture of the run, redrawn in place on a terminal."""

from __future__ import annotations

import sys
import time
from typing import IO, Any

from rich.live import Live

from grpo_cli.display.base import Display
from grpo_cli.display.scene import Scene
from grpo_cli.display.view import draw
from grpo_cli.runs.folder import RunFolder

FRAMES_PER_SECOND = 4
"""How often the spinner turns and the clock is looked at; news is shown at the next tick."""


class LiveDisplay(Display):
    """Redraws the run's picture on every tick that has something new to show.

    Args:
        folder: the run folder.
        header: `name`, `model`, `dataset`, `rewards`, `folder`; every one may be missing.
        stream: the terminal; standard output by default.
    """

    def __init__(self, folder: RunFolder, header: dict[str, Any], stream: IO[str] | None = None) -> None:
        super().__init__(folder, header, stream)
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            vertical_overflow="crop",
            # Only what would land on this terminal goes above the picture: `2> file` stays as it is.
            redirect_stdout=self.console.file is sys.stdout,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
        )
        self._size = self.console.size
        self._shown: tuple[Any, ...] | None = None

    def __enter__(self) -> LiveDisplay:
        super().__enter__()
        self._live.start()
        self.tick()
        return self

    def tick(self) -> None:
        """Look for news and redraw; call it about ten times a second."""
        news = self.follower.poll()
        moment = (self.console.size, int(time.time() * FRAMES_PER_SECOND), self.follower.state.stopping)
        if news or moment != self._shown:
            self._shown = moment
            self._redraw()

    def note(self, text: str) -> None:
        """Show one line from the program itself in the picture."""
        super().note(text)
        self._redraw()

    def close(self, result: dict[str, Any] | None = None) -> None:
        """Draw the last frame, which stays, and give the terminal back."""
        self._redraw(result)
        super().close(result)
        self._live.stop()

    def _redraw(self, result: dict[str, Any] | None = None) -> None:
        if self.closed:
            return
        if self.console.size != self._size:
            # The terminal has wrapped or moved the old frame's lines: begin on an empty screen.
            self._size = self.console.size
            self.console.clear()
        scene = Scene(self.follower.state, self.header, self.console, time.time(), result, self.note_text)
        self._live.update(draw(scene), refresh=True)
