"""One owner per run folder: a lock that the kernel lets go when its holder dies, however it dies.

A kernel knows of its own machine's processes only. So the owner also touches the lock file every so often, and one that
has not done so for long is dead, wherever it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpo_cli.errors import ConfigError
from grpo_cli.runs.folder import RunFolder

BEAT = 30.0  # seconds between two touches
SILENCE = 600.0  # seconds without one after which an owner is dead: network file systems show them a minute late
_BYTES = 300


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
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(fd, ended), daemon=True)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderInUse(
                f"The run folder {folder.root} is in use by process {owner(fd)}; wait for it to end, or give this run "
                "a folder of its own."
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} on {socket.gethostname()}".encode(), 0)
        beating.start()
        yield
    finally:
        ended.set()
        if beating.is_alive():
            beating.join()
        os.close(fd)


def wait_until_free(folder: RunFolder, seconds: float) -> None:
    """Wait while another process owns the folder, so long at most; to be called where that one is about to end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(FolderInUse), own(folder):
            return
        time.sleep(0.05)


def owner(fd: int) -> str:
    """The process that an open lock file names, and its machine."""
    return os.pread(fd, _BYTES, 0).decode(errors="replace").strip() or "unknown"


def is_silent(folder: RunFolder) -> bool:
    """Whether the folder's owner has not touched the lock for `SILENCE` seconds.

    Both times are the file system's own, so that it does not matter whose clock is wrong. False where that cannot be
    told: the lock was written by a version that does not touch it, or nothing can be written beside it.
    """
    try:
        if " on " not in folder.lock.read_text(errors="replace"):
            return False
        with tempfile.NamedTemporaryFile(dir=folder.logs, prefix=".clock") as probe:
            return Path(probe.name).stat().st_mtime - folder.lock.stat().st_mtime > SILENCE
    except OSError:
        return False


def _beat(fd: int, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with contextlib.suppress(OSError):  # a file system that is away for a while
            os.utime(fd)
