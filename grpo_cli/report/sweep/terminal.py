"""The leaderboard in a terminal: the same verdict and numbers as the page."""

from __future__ import annotations

from typing import IO

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from grpo_cli.display.console import ACCENT, BOLD, DIM, RunConsole, make_console
from grpo_cli.display.formatting import one_line
from grpo_cli.report.formats import PERCENT, show
from grpo_cli.report.sweep.board import Column, Row, board_rows
from grpo_cli.report.sweep.standings import Standings, method, verdict
from grpo_cli.report.terminal import STYLES, _heading, _print, _write

KEPT = ("rank", "setting", "seeds", "mean", "difference", "standing")
"""Columns that even a narrow terminal shows."""
BAR = 24


def print_board(board: Standings, stream: IO[str] | None = None) -> None:
    """Print a sweep's leaderboard.

    Args:
        board: the leaderboard.
        stream: where to write; standard output by default.
    """
    console = make_console(stream)
    headline, sentences, level = verdict(board)
    _write(console, (f"sweep {board.sweep.name}", BOLD))
    _write(console, (headline, f"bold {STYLES[level]}"))
    for sentence in sentences:
        _write(console, sentence)
    console.print()
    _table(console, *board_rows(board))
    _shares(console, board)
    _heading(console, "How it was compared")
    for line in method(board):
        _write(console, (line, DIM))


def _table(console: RunConsole, columns: list[Column], rows: list[Row]) -> None:
    if not rows:
        return
    texts = [[_text(cell.text, cell.note) for cell in row.cells] for row in rows]
    keep, left_out = list(range(len(columns))), []

    def width() -> int:
        wide = [max(cell_len(x) for x in (columns[i].title, *(row[i] for row in texts))) for i in keep]
        return sum(min(w, 44) for w in wide) + 2 * len(keep)

    for place in reversed(range(len(columns))):
        if console.is_terminal and width() > console.width and columns[place].key not in KEPT:
            keep.remove(place)
            left_out.append(columns[place].title)
    table = Table(box=None, pad_edge=False, header_style=DIM, padding=(0, 1))
    for i in keep:
        table.add_column(one_line(columns[i].title), justify="right" if columns[i].number else "left", overflow="fold")
    for row in texts:
        table.add_row(*(one_line(row[i]) for i in keep))
    _print(console, table)
    if left_out:
        _write(console, (f"(no room here for: {', '.join(reversed(left_out))})", DIM))


def _text(text: str, note: str) -> str:
    return f"{text} ({note})" if note else text


def _shares(console: RunConsole, board: Standings) -> None:
    if not board.importances:
        return
    _heading(console, "What mattered: share of the variance explained")
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in board.importances:
        name = f"{one.key} (chance)" if one.key == "seed" else one.key
        bar = console.glyphs.levels[-1] * round(BAR * (one.share or 0.0))
        share = "unknown" if one.share is None else show(one.share, PERCENT)
        table.add_row(one_line(name), Text(bar, ACCENT), Text(share))
    _print(console, table)
