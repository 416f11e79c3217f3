"""--help, --version and --fields: answered without Hydra, in a fraction of its time."""

from __future__ import annotations

import fnmatch
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from grpo_cli import __version__
from grpo_cli.config import places
from grpo_cli.errors import ConfigError

_HEAD = """\
grpo-train: train a language model with GRPO

Usage: grpo-train [GROUP=CHOICE …] [KEY=VALUE …] [OPTION …]

  grpo-train                                        train the small model inside the package
  grpo-train model=Qwen/Qwen3-0.6B dataset=rows.jsonl training.learning_rate=3e-6
  grpo-train 'reward=[exact_match,format]' reward.format.weight=0.2
  grpo-train 'reward=[exact_match,my_rewards.py:polite]'     your own function as a further reward
  grpo-train -m seed=1,2,3                          several runs, one for each value
  grpo-train resume=outputs/grpo/<date and time>    go on with a run that was stopped

Groups and their choices (a folder conf/<group>/ of your own adds to them):
"""
_TAIL = """\

Keys: training.<name> is TRL's GRPOConfig, all of it; grpo-train --fields learning lists what matches.

Options:
  --fields [PATTERN]      keys with type, default, meaning and choices; PATTERN: part of a name, or 'peft.*'
  --cfg job               print the composed config and stop (--resolve: with every reference filled in)
  --info defaults         print how the config was composed
  -m, --multirun          run every combination of the values given with commas
  --config-dir FOLDER     look for configs there too;  --config-name NAME  start from another main config
  -sc install=bash        tab completion: eval "$(grpo-train -sc install=bash)"
  --version, --help, --hydra-help

Exit codes: 0 done, 1 the run failed, 2 the configuration is wrong, 130 and 143 interrupted (checkpoint saved)
"""


def answer(argv: Sequence[str]) -> None:
    """Print what was asked for.

    Args:
        argv: the command line; holds --help, -h, --version or --fields.
    """
    if "--version" in argv:
        print(f"grpo-train {__version__}")
    elif "-h" in argv or "--help" in argv:
        print(_HEAD + _groups() + _TAIL, end="")
    else:
        print_fields(_pattern(argv))


def _groups() -> str:
    """One line (or more) for each group."""
    width = min(shutil.get_terminal_size().columns, 110)
    lines = []
    for group in places.groups():
        names = places.choices(group)
        if names:
            text = textwrap.fill(", ".join(names), width - 16, break_on_hyphens=False).replace("\n", "\n" + " " * 15)
            lines.append(f"  {group:<13}{text}\n")
    return "".join(lines)


def _pattern(argv: Sequence[str]) -> str:
    """What follows --fields, or stands behind its =."""
    for i, arg in enumerate(argv):
        option, equals, value = arg.partition("=")
        if option == "--fields":
            if equals:
                return value
            return argv[i + 1] if i + 1 < len(argv) and not argv[i + 1].startswith("-") else ""
    return ""


def find_fields(pattern: str) -> list:
    """Find keys.

    Args:
        pattern: part of a full key, or a glob over full keys; "" for all. Case does not matter.

    Returns:
        The fields, section by section.

    Raises:
        ConfigError: nothing matches.
    """
    from grpo_cli.config.schema import reward_entry, sections

    table = [field for fields in (*sections().values(), reward_entry()) for field in fields.values()]
    wanted = pattern.lower()
    if any(c in wanted for c in "*?["):
        found = [f for f in table if fnmatch.fnmatchcase(f.key.lower(), wanted)]
    else:
        found = [f for f in table if wanted in f.key.lower()]
    if not found:
        from grpo_cli.config.other_names import nearest_key

        section, _, name = pattern.rpartition(".")
        meant = nearest_key(section, name.strip("*"))
        hint = f"; did you mean {meant}?" if meant else "; grpo-train --fields lists all."
        raise ConfigError(f"No key matches '{pattern}'{hint}")
    return found


def print_fields(pattern: str) -> None:
    """Print the matching keys: a table in a terminal, tab-separated lines into a pipe."""
    from grpo_cli.config.fields import describe, show

    rows = []
    for field in find_fields(pattern):
        kind = describe(field.kinds) + (" or auto" if field.auto else "")
        notes = [f"auto: {field.auto}"] if field.auto else []
        rows.append((field.key, kind, _short(show(field.default)), field.help, notes, field.choices))
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        for key, kind, default, text, notes, choices in rows:
            joined = " ".join([text, *notes]).replace("\t", " ")
            print("\t".join((key, kind, default, joined, _joined(choices))))


def _short(default: str) -> str:
    return "(must be set)" if default == "???" else default


def _joined(choices: Iterable[object] | None) -> str:
    from grpo_cli.config.fields import show

    return ", ".join(show(c) for c in choices) if choices else ""


def _print_table(rows: list) -> None:
    """Draw the rows with rich."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", row_styles=["", "dim"])
    for head in ("key", "type", "default"):
        table.add_column(head, overflow="fold")
    table.add_column("meaning", ratio=1)
    for key, kind, default, text, notes, choices in rows:
        more = [*notes, *([f"Choices: {_joined(choices)}"] if choices else [])]
        table.add_row(f"[cyan]{escape(key)}[/]", escape(kind), escape(default), escape("\n".join([text, *more])))
    Console().print(table)
