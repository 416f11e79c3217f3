"""Every process of one launch, however far it has strayed, and how to end them all."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import psutil

from grpo_cli.launch.environment import RUN_ID

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError)


def _alive(process: psutil.Process) -> bool:
    """Whether it still runs and is the same process (pid and start time); a zombie does not run."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


class ProcessTree:
    """The processes below one root, remembered, so that one whose parent has died is still known.

    Args:
        root: the first process of the launch (the warden).
        run_id: value of `GRPO_TRAIN_RUN` in the environment of all of them.
    """

    def __init__(self, root: int, run_id: str) -> None:
        self._run_id = run_id
        self._known: set[psutil.Process] = set()
        self._root: psutil.Process | None = None
        with contextlib.suppress(*_GONE):
            self._root = psutil.Process(root)
            self._known.add(self._root)

    def refresh(self) -> None:
        """Look for new processes: all are below the root, and below the known ones once the root has died."""
        tops = [self._root] if self._root and _alive(self._root) else self.alive()
        for top in tops:
            with contextlib.suppress(*_GONE):
                self._known.update(top.children(recursive=True))

    def find_strays(self) -> None:
        """Add processes anywhere that carry this launch's `GRPO_TRAIN_RUN` in their environment."""
        for process in psutil.process_iter():
            if process.pid == os.getpid():
                continue
            with contextlib.suppress(*_GONE, OSError):
                if process.environ().get(RUN_ID) == self._run_id:
                    self._known.add(process)

    def alive(self) -> list[psutil.Process]:
        """The known processes that still run."""
        self._known = {p for p in self._known if _alive(p)}
        return sorted(self._known, key=lambda p: p.pid)

    def terminate(self, seconds: float, wait: Callable[[], None]) -> None:
        """Ask all of them to end (SIGTERM), and wait until they have, at most `seconds`.

        Args:
            seconds: how long they may take.
            wait: called between two looks (reaps the direct child, sleeps a little).
        """
        self.refresh()
        for process in self.alive():
            with contextlib.suppress(*_GONE):
                process.terminate()
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            wait()

    def kill(self, wait: Callable[[], None]) -> None:
        """SIGKILL until none is left, wherever it has strayed to.

        Args:
            wait: called between two looks.
        """
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            self.refresh()
            self.find_strays()
            alive = self.alive()
            if not alive:
                return
            # The root last: while it lives it collects what the others leave (see warden.py).
            for process in [p for p in alive if p != self._root] or alive:
                with contextlib.suppress(*_GONE):
                    process.kill()
            wait()
