"""What all displays have in common: they follow a run's files, tick, and end with the summary."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import IO, Any

from grpo_cli.display.follow import Follower
from grpo_cli.runs.folder import RunFolder


class Display:
    """A display that shows nothing but the final summary (`display=quiet`), and the frame for the others.

    A context manager: enter it before the worker starts (what stands in the files then is an earlier
    session's), call `tick` about ten times a second, `finish` with result.json's content at the end.

    Args:
        folder: the run folder.
        header: `name`, `model`, `dataset`, `rewards`, `folder`; every one may be missing.
        stream: where to write; standard output by default.
    """

    def __init__(self, folder: RunFolder, header: dict[str, Any], stream: IO[str] | None = None) -> None:
        self.folder = folder
        self.header = {"folder": str(folder.root), **header}
        self.stream: IO[str] = sys.stdout if stream is None else stream
        self.follower = Follower(folder)
        self.note_text = ""
        self._closed = False

    def __enter__(self) -> Display:
        self.follower.poll()
        self.follower.state.begin_session()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True

    def tick(self) -> None:
        """Look for news in the run folder and show them."""

    def note(self, text: str) -> None:
        """Show one line from the program itself (what a Ctrl-C set going); an empty one takes it away."""
        self.note_text = text
        if not self._closed:
            self.show_note(text)

    def show_note(self, text: str) -> None:
        """Bring a new note to the screen."""

    def leave(self, result: dict[str, Any]) -> None:
        """Show what is still new, for the last time."""

    def finish(self, result: dict[str, Any], summary: bool = True) -> None:
        """End the display.

        Args:
            result: result.json's content.
            summary: print what was gained and where everything is.
        """
        self.follower.poll() if type(self) is Display else self.tick()
        self.leave(result)
        self._closed = True
        if summary:
            from grpo_cli.display.summary import print_summary

            print_summary(self.folder, result, header=self.header, state=self.follower.state, stream=self.stream)
