"""One owner per run folder: a lock that the kernel lets go when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from grpo_cli.errors import ConfigError
from grpo_cli.runs.folder import RunFolder


class FolderInUse(ConfigError):
    """Another live grpo-train owns the folder."""


@contextmanager
def own(folder: RunFolder) -> Iterator[None]:
    """Hold the folder's lock while a run uses it.

    Raises:
        FolderInUse: another live process holds it.
    """
    folder.logs.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
            raise FolderInUse(
                f"The run folder {folder.root} is in use by process {owner}; wait for it to end, or give this run a "
                "folder of its own."
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(fd)
