"""The study on disk, `optuna.journal`: readable after a kill at any moment.

Optuna appends one JSON line an operation. A line torn by a kill is passed over when read, but the next one is appended
to it, and from then on the file is refused; and the lock of a killed process is waited for, for half a minute. Both are
put right here, before Optuna opens the file. The folder's own lock keeps other processes out meanwhile.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from grpo_cli.errors import ConfigError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

JOURNAL = "optuna.journal"


def open_journal(folder: Path) -> JournalStorage:
    """Open the journal of a sweep, or begin one.

    Args:
        folder: the sweep's folder, owned by this process.

    Raises:
        ConfigError: it is damaged elsewhere than at its end.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / JOURNAL
    for stale in folder.glob(f"{JOURNAL}.lock*"):
        stale.unlink(missing_ok=True)
    mend(file)
    return JournalStorage(JournalFileBackend(str(file)))


def mend(file: Path) -> None:
    """Cut off a last line that a kill has torn.

    Raises:
        ConfigError: a line before the last cannot be read.
    """
    if not file.exists():
        return
    whole = 0  # bytes
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.endswith(b"\n") and _is_json(line):
                whole += len(line)
            elif lines.read(1):
                raise ConfigError(
                    f"{file}: line {number} cannot be read, so the trials after it are lost; write resume=never for a "
                    "new sweep."
                )
    if whole < file.stat().st_size:
        os.truncate(file, whole)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
