"""Tab completion beside Hydra's own: options, the values a key can hold, several choices of a group, paths.

Hydra completes groups, their choices and keys (`grpo-train -sc install=bash` sets it up); after a key's `=` it knows
only the present value. What is answered here needs no composition, and no import of Hydra.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from grpo_cli.config import places
from grpo_cli.config.command_line import DATA_FILES, OPEN_GROUPS
from grpo_cli.config.fields import show

OPTIONS = (
    "--help", "--version", "--fields", "--cfg", "--resolve", "--package", "--info", "--multirun", "--config-dir",
    "--config-name", "--hydra-help", "--shell-completion",
)  # fmt: skip
_OPTION_VALUES = {
    "--cfg": ("job", "hydra", "all"),
    "-c": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "-i": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    # Nothing of ours: the shell then offers file names.
    "--config-dir": (),
    "-cd": (),
}


def is_query(argv: Sequence[str]) -> bool:
    """Tell whether a shell asks for completions (`-sc query=bash`)."""
    return any(a in ("-sc", "--shell-completion") for a in argv) and any(a.startswith("query=") for a in argv)


def line_so_far() -> str:
    """The command line as typed up to the cursor, which the shell hands over."""
    line = os.environ.get("COMP_LINE", "")
    point = os.environ.get("COMP_POINT", "")
    return line[: int(point)] if point.isdigit() else line


def complete(line: str) -> list[str] | None:
    """Complete the last word of a command line.

    Args:
        line: the line up to the cursor, the program's name first.

    Returns:
        The words it may become; None where Hydra should answer.
    """
    *before, word = line.split(" ")
    last = before[-1] if before else ""
    if last == "--fields":
        from grpo_cli.config.schema import sections

        keys = [field.key for fields in sections().values() for field in fields.values()]
        return [key for key in keys if key.startswith(word)]
    if last in _OPTION_VALUES:
        return [value for value in _OPTION_VALUES[last] if value.startswith(word)]
    if word.startswith("-"):
        return [option for option in OPTIONS if option.startswith(word)]
    key, equals, value = word.partition("=")
    if not equals:
        return _keys(key)
    typed = value[: max(value.rfind(","), value.rfind("[")) + 1]  # of a list or a sweep: what stands already
    known = _values_of(key.lstrip("+"), value[len(typed) :])
    return None if known is None else [f"{key}={typed}{v}" for v in known if v.startswith(value[len(typed) :])]


def _keys(word: str) -> list[str] | None:
    """The keys of a section that begin as typed; None for a key's first word, and below a key: Hydra knows those."""
    typed = word.lstrip("+")
    section, dot, name = typed.rpartition(".")
    if not dot:
        return None
    from grpo_cli.config.schema import sections

    fields = sections().get(section) if section else None
    if not fields:
        return None
    plus = word[: len(word) - len(typed)]
    found = [field for field in fields.values() if field.name.startswith(name)]
    inside = [f"{plus}{s}." for s in sections() if s.startswith(f"{section}.{name}")]
    return [f"{plus}{f.key}{'.' if any(k.name == 'dict' for k in f.kinds) else '='}" for f in found] + inside


def _values_of(key: str, start: str) -> list[str] | None:
    """The values a key or group can take, where there is an end to them."""
    if key in places.groups():
        chosen = places.choices(key)
        return [*chosen, *_paths(start, key)] if key in OPEN_GROUPS else chosen
    from grpo_cli.config.schema import sections

    section, _, name = key.rpartition(".")
    field = sections().get(section, {}).get(name)
    if field is None:
        return None
    kinds = {kind.name for kind in field.kinds}
    values = [show(choice) for choice in field.choices or ()]
    values += ["true", "false"] if "bool" in kinds else []
    values += ["auto"] if field.auto or field.default == "auto" else []
    return list(dict.fromkeys([*values, *(["null"] if "None" in kinds else [])])) if values else None


def _paths(start: str, group: str) -> list[str]:
    """Folders, and for a data set files, that begin as typed."""
    folder, slash, _ = start.rpartition("/")
    base = Path(folder + slash or ".").expanduser()
    found = []
    for path in sorted(base.iterdir()) if base.is_dir() else []:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found.append(f"{folder}{slash}{path.name}/")
        elif group == "dataset" and path.name.lower().endswith(DATA_FILES):
            found.append(f"{folder}{slash}{path.name}")
    return found
