"""What a user sees of a run: the live view, plain lines, the closing summary, the table of a multirun.

Everything is read from the run folder's files, in the process that started the worker; the worker itself
prints nothing to the terminal. Importing this package costs nothing; rich is loaded when something is drawn.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grpo_cli.display.base import Display
    from grpo_cli.runs.folder import RunFolder

MODES = ("auto", "live", "plain", "quiet")


def make_display(mode: str, folder: RunFolder, header: dict[str, Any], stream: IO[str] | None = None) -> Display:
    """Make the display for a run.

    Args:
        mode: `live`, `plain`, `quiet`; `auto` is live on a terminal (and not under CI), else plain.
            `live` where no cursor can be moved (a pipe, `TERM=dumb`) becomes plain.
        folder: the run folder to follow.
        header: `name`, `model`, `dataset`, `rewards` (names), `folder` (as the user shall see it);
            every one may be missing.
        stream: where to write; standard output by default.

    Returns:
        A context manager with `tick()`, `note(text)` and `finish(result)`.

    Raises:
        ConfigError: the mode is unknown.
    """
    from grpo_cli.display.base import Display
    from grpo_cli.display.console import can_redraw
    from grpo_cli.display.live import LiveDisplay
    from grpo_cli.display.plain import PlainDisplay
    from grpo_cli.errors import ConfigError

    stream = sys.stdout if stream is None else stream
    if mode not in MODES:
        raise ConfigError(f"display={mode} is not known; write display={', '.join(MODES[:-1])} or {MODES[-1]}.")
    if mode == "quiet":
        return Display(folder, header, stream)
    wants_live = mode == "live" or (mode == "auto" and not os.environ.get("CI"))
    if wants_live and can_redraw(stream):
        return LiveDisplay(folder, header, stream)
    return PlainDisplay(folder, header, stream)
