"""--help, --version and --fields: answered without Hydra, in a fraction of its time."""

from __future__ import annotations

import fnmatch
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from grpo_cli import __version__
from grpo_cli.config import places
from grpo_cli.errors import ConfigError

_HEAD = """\
grpo-train: train a language model with GRPO, through TRL's GRPOTrainer

Usage: grpo-train [GROUP=CHOICE …] [KEY=VALUE …] [OPTION …]

  grpo-train                                                the small model inside the package, on any machine
  grpo-train debug=smoke                                    the same in two steps: does it run at all?
  grpo-train model=Qwen/Qwen3-0.6B dataset=rows.jsonl       any model and data of the hub, a folder or a file
  grpo-train training.learning_rate=3e-6 algorithm=dr_grpo  any setting of TRL, and presets of them
  grpo-train 'reward=[exact_match,format]' reward.format.weight=0.2
  grpo-train 'reward=[format,my_rewards.py:polite]'         functions of your own among the rewards
  grpo-train launch.num_processes=2                         two processes, through accelerate
  grpo-train -m training.beta=0,0.04 seed=1,2               every combination, one run after the other
  grpo-train resume=outputs/grpo/<date and time>            go on with a run that was stopped
  grpo-train reproduce=outputs/grpo/<date and time>         the same once more: does the same come out?

Groups and their choices (yours, from conf/<group>/ in this folder, have a *):
"""
_TAIL = """\

Keys: training.<name> is any field of TRL's GRPOConfig; grpo-train --fields learning lists the keys that match.

Options:
  --fields [PATTERN]      keys with type, default, meaning and choices; PATTERN: part of a name, or 'peft.*'
  --cfg job               print the composed config and stop (--resolve: with every reference filled in)
  --info defaults-tree    print how the config was composed
  -m, --multirun          run every combination of the values given with commas
  --config-dir FOLDER     look for configs there too
  --config-name NAME      start from another main config
  -sc install=bash        tab completion: eval "$(grpo-train -sc install=bash)"
  --version, --help, --hydra-help

dry_run=true checks everything and prints the command that would be launched.
Exit codes: 0 done, 1 the run failed, 2 the configuration is wrong, 130 and 143 interrupted (checkpoint saved).
"""
# Up to so many keys are shown in full on a terminal; of more, the first sentence.
_IN_FULL = 5


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
            listed = ", ".join(f"{name}*" if places.is_users(group, name) else name for name in names)
            text = textwrap.fill(listed, width - 16, break_on_hyphens=False).replace("\n", "\n" + " " * 15)
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
    """Print the matching keys: for reading in a terminal, as tab-separated lines into a pipe."""
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
    """Show the rows in a terminal: a line for the key, its meaning below."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    for key, kind, default, text, notes, choices in rows:
        console.print(Text.assemble((key, "bold cyan"), "  ", (f"{kind}, default {default}", "dim")), soft_wrap=True)
        in_full = len(rows) <= _IN_FULL
        for paragraph in [text if in_full else _first_sentence(text), *notes]:
            if paragraph:
                console.print(Padding(Text(paragraph), (0, 0, 0, 4)))
        if choices:
            console.print(Padding(Text(f"Choices: {_joined(choices)}"), (0, 0, 0, 4)))
    if len(rows) > _IN_FULL:
        console.print(Text(f"{len(rows)} keys; grpo-train --fields {rows[0][0]} tells all about one.", "dim"))


def _first_sentence(text: str) -> str:
    """The first sentence of a help text."""
    return re.split(r"(?<=[.;])\s(?=[A-Z`'\"(])", text, maxsplit=1)[0]
