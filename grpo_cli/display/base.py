"""What all displays have in common: they follow a run's files, tick, and end with the summary."""

from __future__ import annotations

from types import TracebackType
from typing import IO, Any

from grpo_cli.display.console import make_console
from grpo_cli.display.follow import Follower
from grpo_cli.display.summary import print_summary
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
        self.console = make_console(stream)
        self.follower = Follower(folder)
        self.note_text = ""
        self.closed = False

    def __enter__(self) -> Display:
        self.follower.poll()
        self.follower.state.begin_session()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tick(self) -> None:
        """Look for news in the run folder and show them."""
        self.follower.poll()

    def note(self, text: str) -> None:
        """Show one line from the program itself (what a Ctrl-C set going); an empty one takes it away."""
        self.note_text = text

    def close(self, result: dict[str, Any] | None = None) -> None:
        """Show nothing more; may be called again.

        Args:
            result: result.json's content where the run ended by itself.
        """
        self.closed = True

    def finish(self, result: dict[str, Any], summary: bool = True) -> None:
        """End the display.

        Args:
            result: result.json's content.
            summary: print what was gained and where everything is.
        """
        self.tick()
        self.close(result)
        if summary:
            state, stream = self.follower.state, self.console.file
            print_summary(self.folder, result, header=self.header, state=state, stream=stream)
