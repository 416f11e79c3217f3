"""A file of completions to try rewards on: JSON lines (a run's own records among them), or one text a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError


@dataclass(frozen=True)
class Given:
    """One completion of the file.

    Attributes:
        line: its line in the file, from 1.
        completion: text or messages.
        row: the row it answers, as a place among the rows of the trial.
        prompt: its own prompt, where the file has it and no row of the trial does.
        columns: columns that the file gives, in place of the row's.
    """

    line: int
    completion: Any
    row: int
    prompt: Any
    columns: dict[str, Any]


def read_completions(path: Path, prompts: list[Any]) -> list[Given]:
    """Read a file of completions.

    JSON lines hold `completion`, and may hold `prompt` (the row with that prompt is taken), `row` (a place among
    the rows of the trial) and columns, either under `columns` or beside the others. Completions without either,
    and lines of plain text, go to one row after another.

    Args:
        path: the file; `.jsonl` for JSON lines.
        prompts: the prompts of the trial's rows.

    Raises:
        ConfigError: it cannot be read, or a line is not what it should be.
    """
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        raise ConfigError(f"--completions: there is no file {path}{meant_or_known(path.name, beside)}")
    places = {_key(prompt): place for place, prompt in reversed(list(enumerate(prompts)))}
    given: list[Given] = []
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    lines = text.split("\n")  # not splitlines: a completion may hold a form feed or a Unicode line end
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = len(given) % len(prompts)
        if path.suffix == ".jsonl":
            given.append(_record(line, number, path, prompts, places, place))
        else:
            given.append(Given(number, line, place, prompts[place], {}))
    if not given:
        raise ConfigError(f"--completions: {path} holds no completion")
    return given


def _record(line: str, number: int, path: Path, prompts: list[Any], places: dict[str, int], place: int) -> Given:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--completions: line {number} of {path} is no JSON: {error}") from error
    if not isinstance(record, dict) or not _is_text_or_messages(record.get("completion")):
        known = f"; it has {', '.join(record)}" if isinstance(record, dict) else ""
        raise ConfigError(
            f"--completions: line {number} of {path} has no key 'completion' with a text or messages{known}"
        )
    prompt = record.get("prompt")
    if prompt is not None:
        place = places.get(_key(prompt), place)
    elif isinstance(record.get("row"), int):
        if not 0 <= record["row"] < len(prompts):
            raise ConfigError(
                f"--completions: line {number} of {path} has row {record['row']}, and the trial has rows 0 to "
                f"{len(prompts) - 1}; take more with --rows."
            )
        place = record["row"]
    columns = record.get("columns")
    if not isinstance(columns, dict):
        columns = {key: value for key, value in record.items() if key not in ("completion", "prompt", "row")}
    return Given(number, record["completion"], place, prompts[place] if prompt is None else prompt, columns)


def _is_text_or_messages(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(m, dict) for m in value))


def _key(prompt: Any) -> str:
    return json.dumps(prompt, sort_keys=True, default=str)
