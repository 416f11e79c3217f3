"""Failures that a run recorded, run again: does each still fail?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError
from grpo_cli.runs.jsonl import parse

FILE = "reward_failures.jsonl"


@dataclass(frozen=True)
class Replayed:
    """A failure, and what became of it.

    Attributes:
        line: its line in the file.
        reward: the reward's name.
        was: what it was: `timeout`, `error`, `died` or `bad value`.
        was_message: what was recorded of it.
        now: what it is now: `value` or one of those.
        value: the value, where there is one.
        message: what went wrong, where something did.
        seconds: how long it took.
    """

    line: int
    reward: str
    was: str
    was_message: str
    now: str
    value: float | None
    message: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return dict(self.__dict__)


def read_failures(path: Path, line: int | None = None) -> list[tuple[int, dict[str, Any]]]:
    """Read recorded failures.

    Args:
        path: the file, or the run folder it lies in.
        line: only the one in this line, from 1.

    Returns:
        Line numbers and records; none where a run had no failure.

    Raises:
        ConfigError: there is no such file or line.
    """
    if path.is_dir():
        if not (path / FILE).exists() and not (path / "config.yaml").exists():
            raise ConfigError(f"{path} is no run folder: it has no {FILE}")
        path = path / FILE
        if not path.exists():
            return []  # a run without a failure
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise ConfigError(f"There is no file {path}{meant_or_known(path.name, beside)}")
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    found = [(number, record) for number, text in enumerate(lines, 1) for record in parse([text])]
    if line is not None:
        chosen = [(number, record) for number, record in found if number == line]
        if not chosen:
            raise ConfigError(f"--line {line}: {path} has {len(found)} failures, in lines {_lines(found)}")
        return chosen
    if not found and any(text.strip() for text in lines):
        raise ConfigError(f"{path} holds no recorded failure: its lines are no JSON objects")
    return found


def replay_failures(
    failures: list[tuple[int, dict[str, Any]]], replay: Callable[[dict[str, Any]], Any] | None = None
) -> list[Replayed]:
    """Run recorded failures again, one after another.

    Args:
        failures: line numbers and records.
        replay: runs one record again; the guard's by default.

    Raises:
        ConfigError: a reward of the run is not there any more, or the records are of another version.
    """
    if failures and replay is None:
        from grpo_cli.rewards.guard.replay import replay  # type: ignore[no-redef]
    return list(_replayed(failures, replay))


def _replayed(failures: list[tuple[int, dict[str, Any]]], replay: Any) -> Iterator[Replayed]:
    for line, record in failures:
        outcome = replay(record)
        yield Replayed(
            line=line,
            reward=str(record.get("reward", "?")),
            was=str(record.get("kind", "?")),
            was_message=str(record.get("message") or ""),
            now=outcome.kind,
            value=outcome.value,
            message=outcome.message or "",
            seconds=outcome.seconds,
        )


def print_replayed(replayed: list[Replayed], stream: IO[str] | None = None) -> None:
    """Print what became of failures: a line each, and how many are left."""
    from rich.table import Table
    from rich.text import Text

    from grpo_cli.display.console import BAD, BOLD, DIM, GOOD, make_console

    console = make_console(stream)
    if not replayed:
        console.print("The run recorded no failure.")
        return
    table = Table(box=None, pad_edge=False, header_style=DIM)
    for title, right in (("line", True), ("reward", False), ("was", False), ("is now", False), ("seconds", True)):
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for one in replayed:
        now = _value(one.value) if one.now == "value" else _what(one.now, one.message)
        style = GOOD if one.now == "value" else BAD
        table.add_row(
            str(one.line), one.reward, _what(one.was, one.was_message), Text(now, style=style), f"{one.seconds:.2g}"
        )
    console.print(table)
    left = sum(one.now != "value" for one in replayed)
    ending = f"{left} of {len(replayed)} still fail" if left else f"all {len(replayed)} give a value now"
    console.print(Text(ending, style=f"{BOLD} {BAD if left else GOOD}"))


def _what(kind: str, message: str) -> str:
    text = " ".join(message.split())
    return f"{kind}: {text[:100]}{'…' * (len(text) > 100)}" if text else kind


def _value(value: float | None) -> str:
    return (
        "None" if value is None else str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:g}"
    )


def _lines(found: list[tuple[int, Any]]) -> str:
    numbers = [number for number, _ in found]
    return json.dumps(numbers[:20])[1:-1] + (", …" if len(numbers) > 20 else "") if numbers else "none"
