"""Building blocks of the live view: lines of text that are never wider than they were asked to be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grpo_cli.display import text as fmt
from grpo_cli.display.terminal import Glyphs

if TYPE_CHECKING:
    from rich.text import Text

DIM, BOLD, GOOD, BAD, WARN, ACCENT = "bright_black", "bold", "green", "red", "yellow", "cyan"


def line(*parts: str | tuple[str, str]) -> Text:
    """One line from pieces, each plain or (text, style)."""
    from rich.text import Text

    return Text.assemble(*parts, no_wrap=True, end="")


def fit(text: Text, width: int, glyphs: Glyphs, pad: bool = False) -> Text:
    """Cut a line to `width` cells (wide characters count two), marked by an ellipsis; or fill it up."""
    if text.cell_len > width:
        text.truncate(max(0, width - len(glyphs.ellipsis)), overflow="crop")
        text.append(glyphs.ellipsis[:width], DIM)
    if pad and text.cell_len < width:
        text.append(" " * (width - text.cell_len))
    return text


def spread(left: Text, right: Text, width: int, glyphs: Glyphs) -> Text:
    """One line with a left and a right part; the right one is left out where both do not fit."""
    gap = width - left.cell_len - right.cell_len
    if gap < 2:
        return fit(left, width, glyphs)
    return left.append(" " * gap).append_text(right)


def card(title: Text, body: Sequence[Text], width: int, glyphs: Glyphs, note: Text | None = None) -> list[Text]:
    """A bordered box.

    Args:
        title: set into the upper border.
        body: its lines; cut to fit.
        width: of the whole box, in cells.
        glyphs: the characters to draw with.
        note: set into the lower border, at the right.
    """
    inner = width - 4
    title = fit(title, inner - 2, glyphs)
    corners, across = glyphs.corners, glyphs.across
    top = line((corners[0] + across + " ", DIM)).append_text(title)
    top.append(" " + across * (width - top.cell_len - 2) + corners[1], DIM)
    lines = [top]
    for row in body:
        row = fit(row, inner, glyphs, pad=True)
        lines.append(line((glyphs.down + " ", DIM)).append_text(row).append(" " + glyphs.down, DIM))
    if note is None or not note.plain or note.cell_len > inner - 2:
        bottom = line((corners[2] + across * (width - 2), DIM))
    else:
        bottom = line((corners[2] + across * (width - 5 - note.cell_len) + " ", DIM))
        bottom.append_text(note).append(" " + across, DIM)
    lines.append(bottom.append(corners[3], DIM))
    return lines


def beside(left: Sequence[Text], right: Sequence[Text], gap: int = 1) -> list[Text]:
    """Put two boxes of one height side by side."""
    return [a.copy().append(" " * gap).append_text(b) for a, b in zip(left, right, strict=True)]


def bar(share: float, width: int, glyphs: Glyphs, style: str = ACCENT) -> Text:
    """A progress bar of `width` cells, half-cell fine where the characters allow."""
    full = min(1.0, max(0.0, share)) * width
    done = int(full)
    text = line((glyphs.done * done, style))
    if done < width:
        has_head = full - done >= 0.5 or done == 0
        text.append(glyphs.head if has_head else glyphs.rest, style if has_head else DIM)
        text.append(glyphs.rest * (width - done - 1), DIM)
    return text


def excerpt(text: str, width: int, rows: int, glyphs: Glyphs) -> list[str]:
    """A foreign text in at most `rows` lines of `width` cells: its beginning and its last line.

    The last line stays because that is where a completion's answer stands.
    """
    lines: list[str] = []
    for paragraph in fmt.clean(text.strip()).split("\n"):
        lines += textwrap.wrap(paragraph, max(8, width), drop_whitespace=True) or [""]
    lines = [one for one in lines if one.strip()] or [""]
    if len(lines) <= rows:
        return lines
    if rows == 1:
        return [lines[0] + glyphs.ellipsis]
    if rows == 2:
        return [lines[0] + " " + glyphs.ellipsis, lines[-1]]
    hidden = len(lines) - rows + 1
    return [*lines[: rows - 2], f"{glyphs.elide} {hidden} more lines", lines[-1]]
