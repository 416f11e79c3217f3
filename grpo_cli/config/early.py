"""Misspelled keys on the command line, found before Hydra is imported: most mistakes are of this kind.

What is not plainly `key=value` with a key of ours (groups, packages, deletions, sweeps) is left to the full check
of the composed config (`grpo_cli.config.validate`), which finds the same and more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grpo_cli.config import places
from grpo_cli.config.command_line import RUN_KEYS, config_dirs
from grpo_cli.config.fields import Field
from grpo_cli.config.schema import sections
from grpo_cli.config.values import problem
from grpo_cli.errors import ConfigError

_OVERRIDE = re.compile(r"\+{0,2}((?:[A-Za-z_]\w*\.)?[A-Za-z_]\w*)((?:\.[\w.-]+)?)=(.*)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_]\w*|-?\d+(?:\.\d*)?(?:e[+-]?\d+)?", re.IGNORECASE)
_OF_ONE_RUN = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")
_WORDS = {"true": True, "false": False, "null": None}


def check_command_line(argv: Sequence[str]) -> None:
    """Refuse a command line with a key that does not exist.

    Args:
        argv: the arguments, options among them; with an option that asks for something else than one run nothing
            is checked (a sweep tells of each job by itself).

    Raises:
        ConfigError: for each such key, and for each plain value beside it that its key does not take.
    """
    if any(arg.startswith("-") and arg.partition("=")[0] not in _OF_ONE_RUN for arg in argv):
        return
    from grpo_cli.config.other_names import unknown

    unknown_keys, wrong_values = [], []
    groups = places.groups(config_dirs(argv))
    for match in filter(None, map(_OVERRIDE.fullmatch, argv)):
        key, below, value = match.groups()
        if key in sections() and "." in key and below.count(".") == 1:  # a section inside another
            key, below = key + below, ""
        section, _, name = key.rpartition(".")
        if key in RUN_KEYS or key in sections() or (not section and (below or name in groups)):
            continue
        field = _field(section, name)
        if field is None:
            if section in sections():
                unknown_keys.append(unknown(section, name))
        elif not below and _PLAIN.fullmatch(value):
            wrong_values.append(problem(field, _plain(value)))
    if unknown_keys:
        raise ConfigError(*unknown_keys, *filter(None, wrong_values))


def _field(section: str, name: str) -> Field | None:
    """The declared key of this name, if there is one."""
    return sections().get(section, {}).get(name)


def _plain(value: str) -> object:
    """A plain value as Hydra's grammar reads it."""
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value
