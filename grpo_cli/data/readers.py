"""Readers of small local files: rows as Python values, and errors that name the file and the line. Light.

`datasets` would copy each file into its Arrow cache first, guess types (an answer "007" becomes 7), report
a broken line by a byte offset; here a file is read as it is. Large files go through `datasets` (sources.py).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from grpo_cli.errors import ConfigError

Row = dict[str, Any]
DELIMITERS = (",", ";", "\t", "|")


def read_rows(file: Path, kind: str, *, delimiter: str = "auto", json_field: str | None = None) -> Iterator[Row]:
    """Read a file's rows.

    Args:
        file: the file (gzip when its name ends in .gz).
        kind: "jsonl", "json", "csv" or "text".
        delimiter: of CSV; "auto" looks at the header.
        json_field: key under which a JSON document keeps its rows.

    Yields:
        One dict a row.

    Raises:
        ConfigError: with file and line, where the text is not what its format says.
    """
    try:
        if kind == "csv":
            yield from _csv(file, delimiter)
        elif kind == "json":
            yield from _json(file, json_field)
        elif kind == "text":
            with _open(file) as lines:
                yield from ({"text": line.rstrip("\r\n")} for line in lines if line.strip())
        else:
            yield from _jsonl(file)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except gzip.BadGzipFile as error:
        raise ConfigError(f"{file} is named .gz and is no gzip file") from error


def guess_delimiter(file: Path) -> str:
    """Find a CSV file's delimiter: the one that splits its header into most columns."""
    if ".tsv" in file.name:
        return "\t"
    with _open(file) as text:
        header = text.readline()
    return max(DELIMITERS, key=lambda d: len(next(csv.reader([header], delimiter=d), [])))


def _open(file: Path) -> IO[str]:
    # utf-8-sig passes over the byte-order mark that spreadsheets put in front.
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _jsonl(file: Path) -> Iterator[Row]:
    with _open(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.rstrip())
            except json.JSONDecodeError as error:
                if number == 1 and line.strip() in ("[", "{"):
                    raise ConfigError(
                        f"{file} is one JSON document, not a JSON object a line: name it .json or set "
                        f"dataset.format=json"
                    ) from error
                raise ConfigError(f"{file}, line {number} is not JSON: {error.msg} (column {error.colno})") from error
            if not isinstance(row, dict):
                raise ConfigError(f"{file}, line {number} is {_a(row)}, not an object with columns")
            yield row


def _json(file: Path, json_field: str | None) -> Iterator[Row]:
    with _open(file) as text:
        content = text.read()
    try:
        document = json.loads(content)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and content.lstrip().startswith("{"):
            # JSON lines under the name .json, as many exports write them.
            yield from _jsonl(file)
            return
        raise ConfigError(f"{file}, line {error.lineno} is not JSON: {error.msg} (column {error.colno})") from error
    if json_field:
        if not isinstance(document, dict) or json_field not in document:
            raise ConfigError(f"{file} has no key '{json_field}' (dataset.json_field)")
        document = document[json_field]
    if not isinstance(document, list):
        lists = [k for k, v in document.items() if isinstance(v, list)] if isinstance(document, dict) else []
        hint = f"; its rows may be under a key: dataset.json_field={lists[0]}" if lists else ""
        raise ConfigError(f"{file} holds {_a(document)}, not a list of rows{hint}")
    for number, row in enumerate(document, 1):
        if not isinstance(row, dict):
            raise ConfigError(f"{file}, row {number} is {_a(row)}, not an object with columns")
        yield row


def _csv(file: Path, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(1 << 30)
    with _open(file) as text:
        if delimiter == "auto":
            delimiter = guess_delimiter(file)
        reader = csv.reader(text, delimiter=delimiter)
        header = [name.strip() or f"unnamed_{i}" for i, name in enumerate(next(reader, []))]
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise ConfigError(f"{file} has two columns '{twice[0]}': give each its own name")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ConfigError(
                    f"{file}, line {reader.line_num} has {len(cells)} cells where the header has "
                    f"{len(header)} "
                    f"(delimiter {delimiter!r}): quote cells that hold the delimiter, or set "
                    f"dataset.delimiter"
                )
            # An empty cell is a missing value; every other cell stays the text it is.
            yield dict(zip(header, (cell or None for cell in cells), strict=True))


def _a(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
