"""Failures that a run recorded, run again: does each still fail?"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.config.targets import parameters_of
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.build import RewardContext
from grpo_cli.rewards.guard.replay import Replayed, replay
from grpo_cli.runs.jsonl import parse

FILE = "reward_failures.jsonl"


@dataclass(frozen=True)
class Failure:
    """A recorded failure, and what became of it.

    Attributes:
        line: its line in the file.
        reward: the reward's name.
        was: how it failed: `timeout`, `error`, `died` (the process) or `value` (no valid number).
        was_message: what was recorded of it.
        now: `ok`, or how it fails now.
        values: what it gives now: one value, or one for each completion of a batch.
        message: what goes wrong, where something does.
        seconds: how long it took.
        notes: what makes the replay another than the failure: a changed source file, fields cut in the record.
    """

    line: int
    reward: str
    was: str
    was_message: str
    now: str
    values: list[float | None] | None
    message: str
    seconds: float
    notes: list[str]

    @property
    def fails(self) -> bool:
        """Whether it still fails, in whichever way."""
        return self.now != "ok"

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


def replay_failures(path: Path, line: int | None = None) -> list[Failure]:
    """Run recorded failures again, one after another, under guard: what hung is ended here too.

    Args:
        path: the file of failures, or its run folder.
        line: only the one in this line.

    Raises:
        ConfigError: no such file, a record of another kind, or a reward that can no longer be built.
    """
    failures = read_failures(path, line)
    context = _context(path, [record for _, record in failures])
    return [_again(number, record, replay(record, context=context)) for number, record in failures]


def _again(line: int, record: dict[str, Any], outcome: Replayed) -> Failure:
    notes = ["the reward's source file has changed since"] if outcome.source_changed else []
    notes += [f"{key} is not whole in the record ({what})" for key, what in outcome.cut.items()]
    return Failure(
        line=line,
        reward=str(record.get("reward", "?")),
        was=str(record.get("kind", "?")),
        was_message=str(record.get("message") or ""),
        now=outcome.kind,
        values=outcome.values,
        message=outcome.message or "",
        seconds=outcome.seconds,
        notes=notes,
    )


def _context(path: Path, records: list[dict[str, Any]]) -> RewardContext | None:
    """The run's tokenizer and device, where a reward takes them."""
    folder = path if path.is_dir() else path.parent
    parameters = [parameters_of(str((record.get("entry") or {}).get("target"))) for record in records]
    wanted = {name for p in parameters if p for name in ("tokenizer", "device") if name in p.annotations}
    if not wanted or not (folder / "config.yaml").exists():
        return None
    from omegaconf import OmegaConf

    from grpo_cli.trial.rows import load_tokenizer

    tokenizer = load_tokenizer(OmegaConf.load(folder / "config.yaml").model)
    if "device" not in wanted:
        return RewardContext(tokenizer=tokenizer)
    import torch

    return RewardContext(tokenizer=tokenizer, device=torch.device("cuda:0" if torch.cuda.is_available() else "cpu"))


def print_replayed(replayed: list[Failure], stream: IO[str] | None = None) -> None:
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
        now = _what(one.now, one.message) if one.fails else ", ".join(map(_value, one.values or []))
        style = BAD if one.fails else GOOD
        cells = (str(one.line), one.reward, _what(one.was, one.was_message), Text(now, style=style))
        table.add_row(*cells, f"{one.seconds:.2g}")
    console.print(table)
    for one in replayed:
        for note in one.notes:
            console.print(Text(f"line {one.line}: {note}", style=DIM), soft_wrap=True)
    left = sum(one.fails for one in replayed)
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
