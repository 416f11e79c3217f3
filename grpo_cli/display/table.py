"""Tables of jobs that stay readable in a narrow terminal: settings side by side by key, numbers never cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import DIM, RunConsole

GAP = 2  # blanks between two columns
TITLE = 10  # a longer title is broken where it can be
LEAST = 5  # a setting's column is not made narrower than this; then all settings share one
KEYS_TOO = 30  # with less room for all settings only their values are shown


@dataclass
class Column:
    """A column of a table.

    Attributes:
        title: over it.
        cells: one text a row.
        left: whether it is set flush left.
        gives: whether its cells may be cut (or folded) where there is no room.
    """

    title: str
    cells: Sequence[str]
    left: bool = False
    gives: bool = False

    @property
    def natural(self) -> int:
        """Its width where there is room."""
        return max([1, *map(len, self.cells), *map(len, self.title_lines)])

    @property
    def title_lines(self) -> list[str]:
        """Its title, broken behind `_`, `/`, `.` and blanks where it is wider than the cells."""
        lines, width = [""], max([TITLE, *map(len, self.cells)])
        for part in re.findall(r"[^_/. ]*[_/. ]*", self.title):
            if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
        return [one.strip() for one in lines]


def build(columns: Sequence[Column], styles: Sequence[str], console: RunConsole, fold: bool = False) -> Table:
    """Make the table.

    Args:
        columns: all of as many cells.
        styles: one a row.
        console: where it will be drawn; in a file every title has one line.
        fold: whether a cell without room is continued on the next line; else it is cut.
    """
    table = Table(box=None, pad_edge=False, header_style=DIM)
    whole = [max([1, len(column.title), *map(len, column.cells)]) + GAP for column in columns]
    in_one_line = not console.is_terminal or sum(whole) - GAP <= console.width
    titles = [[column.title] if in_one_line else column.title_lines for column in columns]
    height = max(map(len, titles))
    for column, lines in zip(columns, titles, strict=True):
        # Flush with the lowest line; Rich's own way to do it would push the cells down as well.
        title = "\n".join([""] * (height - len(lines)) + lines)
        table.add_column(
            Text(title, overflow="ellipsis", no_wrap=True),
            justify="left" if column.left else "right",
            no_wrap=not column.gives,
            min_width=1,  # the marks have their place before there are any
        )
    for index, style in enumerate(styles):
        cells = [
            Text(column.cells[index], overflow="fold" if fold else "ellipsis", no_wrap=not (fold and column.gives))
            for column in columns
        ]
        table.add_row(*cells, style=style)
    return table


def settings(
    rows: Sequence[Mapping[str, Any]], console: RunConsole, others: Sequence[Column], cut: bool = False
) -> list[Column]:
    """What jobs differ by: a column a key where that fits onto the terminal, else all of it in one.

    Args:
        rows: jobs with `overrides`, as text or a list.
        console: where they are shown; in a file they are always in one column.
        others: the other columns of the table.
        cut: whether values may be cut to make them fit; else they stand in one column, which is folded.
    """
    given = [row.get("overrides") or [] for row in rows]
    texts = [fmt.one_line(each if isinstance(each, str) else " ".join(map(str, each))) for each in given]
    together = Column("overrides", texts, left=True, gives=True)
    if not console.is_terminal or any(isinstance(each, str) for each in given):
        return [together]
    pairs = [dict(split(str(override)) for override in each) for each in given]
    if cut:
        pairs = [{key: brief(value) for key, value in each.items()} for each in pairs]
    keys = list(dict.fromkeys(key for each in pairs for key in each))
    names = short_keys(keys)
    apart = [
        Column(names[key], [fmt.one_line(each.get(key, "")) for each in pairs], left=True, gives=True) for key in keys
    ]
    room = console.width - width_of(others)
    if apart and sum((min(column.natural, LEAST) if cut else column.natural) + GAP for column in apart) <= room:
        return apart
    if cut and room < KEYS_TOO:
        return [Column("values", [fmt.one_line(" ".join(each.values())) for each in pairs], left=True, gives=True)]
    short = [" ".join(f"{names[key]}={value}" for key, value in each.items()) for each in pairs]
    return [Column("overrides", [fmt.one_line(text) for text in short], left=True, gives=True)]


def brief(value: str) -> str:
    """A small number as one writes it in a config, `3e-4` for `0.0003`; anything else as it is."""
    try:
        number = float(value)
    except ValueError:
        return value
    small = fmt.scientific(number)
    return small if 0 < abs(number) < 0.01 and len(small) < len(value) else value


def width_of(columns: Sequence[Column]) -> int:
    """The width of columns where none has to give, with the gap behind each but the table's last."""
    return sum(column.natural + GAP for column in columns) - GAP


def split(override: str) -> tuple[str, str]:
    """An override's key and value; one without a value (`~tracker`) has an empty one."""
    key, _, value = override.partition("=")
    return key.lstrip("+"), value


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Keys by their last words, as many of them as tell each from the others."""
    short = {key: key.rpartition(".")[2] for key in keys}
    for words in range(2, 1 + max((key.count(".") + 1 for key in keys), default=0)):
        counts = Counter(short.values())
        for key in keys:
            if counts[short[key]] > 1:
                short[key] = ".".join(key.split(".")[-words:])
    return short
