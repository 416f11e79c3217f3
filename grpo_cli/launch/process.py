"""A process as its parent sees it: what of `subprocess.Popen` is used here, and the same for one that was forked."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Protocol

LOOK_SECONDS = 0.01


class Process(Protocol):
    """A process that was started and may have ended; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the signal that ended it, or None while it is not known to have ended."""

    def poll(self) -> int | None:
        """Look whether it has ended; returns `returncode`."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal; none once it has ended."""

    def terminate(self) -> None:
        """Send it SIGTERM."""

    def kill(self) -> None:
        """Send it SIGKILL."""


class PolledProcess(ABC):
    """What a process that can be polled and signalled has besides: waiting, and signals by name.

    Args:
        pid: its process id.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    @abstractmethod
    def poll(self) -> int | None:
        """Look whether it has ended; returns `returncode`."""

    @abstractmethod
    def send_signal(self, sig: int) -> None:
        """Send it a signal; none once it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Raises:
            subprocess.TimeoutExpired: it has not ended by then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(LOOK_SECONDS)
        return code

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkedProcess(PolledProcess):
    """A child made by `os.fork`."""

    def poll(self) -> int | None:
        """Collect it where it has ended; returns `returncode`."""
        if self.returncode is None:
            with suppress(ChildProcessError):
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if ended:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it a signal; none once it has ended (its pid may be another's then)."""
        if self.poll() is None:
            os.kill(self.pid, sig)
