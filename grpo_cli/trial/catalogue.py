"""The rewards that can be chosen by name, read from their config files and their source: nothing is imported."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.config import places
from grpo_cli.config.suggest import did_you_mean
from grpo_cli.config.targets import find_source, split_target
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.signature import (
    BATCH_NAMES,
    COMPLETION_NAMES,
    CONTEXT_NAMES,
    RESERVED,
    TRAINER_NAMES,
)

_FILLED = {*BATCH_NAMES, *TRAINER_NAMES, *CONTEXT_NAMES, *COMPLETION_NAMES, "prompt", "environments", "self"}
_KEY = re.compile(r"(\w+):\s*(.*?)\s*(?:(?:^|\s)#\s*(.*))?")


@dataclass(frozen=True)
class Setting:
    """A key of a reward's entry: its name, its value as written (`???`: must be set), and what its comment says."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A reward that can be chosen.

    Attributes:
        name: what `reward=[…]` takes.
        summary: the first comment line of its file.
        target: its function or class.
        settings: the keys of its file, `target` left out.
        columns: the data's columns that it cannot do without; None where its source does not tell.
        users: whether it comes from the user's own `./conf`.
        docstring: of its function or class.
    """

    name: str
    summary: str
    target: str
    settings: list[Setting] = field(default_factory=list)
    columns: list[str] | None = None
    users: bool = False
    docstring: str = ""

    @property
    def arguments(self) -> list[Setting]:
        """The reward's own arguments."""
        return [setting for setting in self.settings if setting.name not in RESERVED]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            "summary": self.summary,
            "target": self.target,
            "arguments": {s.name: {"default": s.default, "meaning": s.meaning} for s in self.arguments},
            "columns": self.columns,
            "yours": self.users,
        }


def find_rewards(pattern: str = "") -> list[Entry]:
    """Find rewards by name.

    Args:
        pattern: a name, or a part of some; "" for all.

    Raises:
        ConfigError: none has such a name.
    """
    names = places.choices("reward")
    wanted = [name for name in names if name == pattern] or [name for name in names if pattern.lower() in name]
    if not wanted:
        hint = did_you_mean(pattern, names) or "; grpo-reward list shows all."
        raise ConfigError(f"There is no reward {pattern}{hint}")
    return [_read(name) for name in wanted]


def _read(name: str) -> Entry:
    path = next(f for place in places.search_path() if (f := place / "reward" / f"{name}.yaml").is_file())
    summary, settings = read_config(path)
    target = next((s.default for s in settings if s.name == "target"), "").strip("'\"")
    settings = [s for s in settings if s.name != "target"]
    columns, docstring = read_source(target, {s.name for s in settings})
    return Entry(name, summary, target, settings, columns, places.is_users("reward", name), docstring)


def read_config(path: Path) -> tuple[str, list[Setting]]:
    """Read a reward's config file as a person does: its first comment, then each key with the comment beside it.

    Args:
        path: the file.

    Returns:
        The summary (may be empty), and the keys.
    """
    summary, settings = "", list[Setting]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            text = line.lstrip("# ").strip()
            if not text.startswith("@package") and not summary and not settings:
                summary = text
        elif match := _KEY.fullmatch(line):
            settings.append(Setting(match[1], match[2], match[3] or ""))
        elif settings and (more := line.strip()).startswith("#"):
            last = settings[-1]
            settings[-1] = Setting(last.name, last.default, f"{last.meaning} {more.lstrip('# ')}".strip())
        elif settings and line.strip():  # a value over several lines
            last = settings[-1]
            settings[-1] = Setting(last.name, f"{last.default} {line.strip()}".strip(), last.meaning)
    return summary, settings


def read_source(target: str, settings: set[str]) -> tuple[list[str] | None, str]:
    """Read from a target's source which columns it needs, and its docstring.

    Args:
        target: `package.module:name` or `path/to/file.py:name`.
        settings: the keys that its config sets.

    Returns:
        The parameters without a default that neither the config nor the trainer fills (None where the source
        does not tell), and the docstring.
    """
    file = find_source(target)
    if file is None or file.suffix != ".py":
        return None, ""
    try:
        name, tree = split_target(target)[1], ast.parse(file.read_bytes())
    except (SyntaxError, ConfigError):
        return None, ""
    node = next((n for n in tree.body if getattr(n, "name", None) == name), None)
    if isinstance(node, ast.ClassDef):
        scoring: Any = next((m for m in node.body if getattr(m, "name", "") == "__call__"), None)
    else:
        scoring = node
    if not isinstance(scoring, ast.FunctionDef | ast.AsyncFunctionDef):
        return None, ast.get_docstring(node) or "" if isinstance(node, ast.ClassDef) else ""
    needed = [p for p in _required(scoring.args) if p not in _FILLED and p not in settings]
    return needed, ast.get_docstring(node) or ""  # type: ignore[arg-type]


def _required(arguments: ast.arguments) -> list[str]:
    """The names of parameters without a default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    plain = positional[: len(positional) - len(arguments.defaults)]
    named = [a for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    return [a.arg for a in (*plain, *named)]
