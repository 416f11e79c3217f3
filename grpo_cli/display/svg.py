"""A picture of the live view as an SVG file, for documents; drawn from any run folder."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from grpo_cli.display.follow import Follower
from grpo_cli.display.terminal import UNICODE, make_console
from grpo_cli.display.view import Scene, build
from grpo_cli.runs.folder import RunFolder


def export_svg(
    folder: RunFolder,
    path: Path,
    *,
    header: dict[str, Any] | None = None,
    width: int = 96,
    height: int = 28,
    until_step: int | None = None,
) -> None:
    """Draw the live view of a run, finished or not, as an SVG file.

    Args:
        folder: the run folder; its event and metric files are read.
        path: the file to write.
        header: as for `make_display`.
        width: cells.
        height: the most lines.
        until_step: draw it as it stood after this step; at its end by default.
    """
    follower = Follower(folder)
    for record in follower.stream():
        if until_step is not None and record.get("kind") == "train" and record.get("step", 0) >= until_step:
            break
    state = follower.state
    now = state.last_time or 0.0
    head = {"folder": str(folder.root), **(header or {})}
    console = make_console(io.StringIO(), record=True, width=width, force_terminal=True, color_system="standard")
    for row in build(Scene(state, head, width, height, UNICODE, now, 3)):
        console.print(row, end="\n", soft_wrap=True)
    # rich's file asks a font server for its font; a document must not, any monospaced font will do.
    svg = re.sub(r"@font-face\s*\{.*?\}", "", console.export_svg(title="grpo-train"), flags=re.DOTALL)
    path.write_text(svg, encoding="utf-8")
