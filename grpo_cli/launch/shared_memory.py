"""Shared memory that a killed process leaves behind: segments and semaphores in /dev/shm.

Python removes its own through a tracker process, which a killed tree loses as well; other libraries (NCCL, vLLM)
have no tracker. So the warden notes what the tree's processes map, and removes at the end what nobody maps any more.
Standard library only, and no pathlib: the warden loads this file by its path and has to start at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable

PLACE = "/dev/shm"
LOOKS = 5  # a new name that none of ours maps after so many looks belongs to another program


class SharedMemory:
    """The names in /dev/shm that appeared since this object was made and that our processes map.

    Args:
        place: the folder, /dev/shm unless a test says otherwise.
    """

    def __init__(self, place: str = PLACE) -> None:
        self._place = place
        self._foreign = self._names()  # there before us
        self._looks: dict[str, int] = {}
        self._ours: set[str] = set()

    def note(self, processes: Callable[[], Iterable[int]], last: bool = False) -> None:
        """Look for new names, and which of them our processes map.

        Args:
            processes: gives the pids of our tree; asked only where there is a new name, which is rare.
            last: the processes are about to be killed, so look whatever was seen before.
        """
        new = self._names() - self._foreign - self._ours
        if not last:
            new = {name for name in new if self._looks.get(name, 0) < LOOKS}
        if not new:
            return
        self._ours |= new & self._mapped(processes())
        for name in new:
            self._looks[name] = self._looks.get(name, 0) + 1

    def clear(self) -> list[str]:
        """Remove what was ours and what no process of this user maps any more; to be called when all ours have ended.

        Returns:
            The names that were removed.
        """
        left = self._ours & self._names()
        if left:
            left -= self._mapped(int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
        removed = []
        for name in sorted(left):
            with contextlib.suppress(OSError):  # another user's, or gone meanwhile
                os.unlink(f"{self._place}/{name}")  # noqa: PTH108
                removed.append(name)
        return removed

    def _names(self) -> set[str]:
        try:
            return set(os.listdir(self._place))  # noqa: PTH208
        except OSError:  # a system without one
            return set()

    def _mapped(self, pids: Iterable[int]) -> set[str]:
        """Names in the folder that these processes have mapped."""
        found: set[str] = set()
        mark = f" {self._place}/"
        for pid in pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", errors="replace") as maps:  # noqa: PTH123
                for line in maps:
                    if mark in line:
                        name = line.rstrip("\n").partition(mark)[2]
                        found.add(name.removesuffix(" (deleted)").partition("/")[0])
        return found
