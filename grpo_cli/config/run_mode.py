"""Spares Hydra its first of two compositions of every command line.

Hydra composes everything once only to look up `hydra.mode` (one run or a sweep), which nearly nobody sets: half of what
composing takes. Here that is done only where the command line or a config file could set it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra

# A mode in a file, spelled out or taken from elsewhere; and places of config files that are not looked into here.
_IN_A_FILE = re.compile(r"\bmode[\"']?\s*:\s*[\"']?(?:RUN|MULTIRUN|\$)|searchpath", re.IGNORECASE)
_ON_THE_COMMAND_LINE = re.compile(r"\+{0,2}hydra(?:$|[/=@]|\.mode|\.searchpath)")


@contextlib.contextmanager
def looked_up_once(argv: Sequence[str], folders: Sequence[Path]) -> Iterator[None]:
    """Let Hydra take `hydra.mode` for unset while it runs, where nothing sets it.

    Args:
        argv: the command line, as Hydra gets it.
        folders: where config files are.
    """
    if not hasattr(Hydra, "get_mode") or may_be_set(argv, folders):
        yield
        return
    compose_and_look: Any = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = compose_and_look  # type: ignore[method-assign]


def may_be_set(argv: Sequence[str], folders: Sequence[Path]) -> bool:
    """Whether the command line or any file in these folders could say what `hydra.mode` is.

    Example:
        >>> may_be_set(["seed=1", "hydra.run.dir=here"], []), may_be_set(["hydra.mode=MULTIRUN"], [])
        (False, True)
    """
    if any(_ON_THE_COMMAND_LINE.match(argument) for argument in argv):
        return True
    files = (file for folder in folders for pattern in ("*.yaml", "*.yml") for file in folder.rglob(pattern))
    return any(_IN_A_FILE.search(file.read_text(encoding="utf-8", errors="replace")) for file in files)
