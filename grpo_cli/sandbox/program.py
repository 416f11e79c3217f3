"""Running a program in the sandbox: start it, read what it prints, stop it in time."""

from __future__ import annotations

import marshal
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from grpo_cli.errors import RunError
from grpo_cli.sandbox import places, process
from grpo_cli.sandbox.bubblewrap import GIVES, PACKAGES_INSIDE, bubblewrap_command
from grpo_cli.sandbox.settings import Isolation, Limits, Outcome


class Program:
    """A program in the sandbox, from start to end; leaving the `with` block ends it and all it has started.

    Args:
        script: its source; or, with `inside`, None.
        limits: what it may use.
        isolation: how; `held` names what must be in force.
        stdin: what it reads.
        files: more descriptors, number → content to read, or an open descriptor to hand on.
        capture: whether what it prints is kept (`stdout`) or thrown away.
        strict: whether it must not run with less than `isolation.held`.
        inside: a module of `sandbox.inside` to run rather than a script.
    """

    def __init__(
        self,
        script: str | None = None,
        *,
        limits: Limits,
        isolation: Isolation,
        stdin: bytes = b"",
        files: Mapping[int, bytes | int] | None = None,
        capture: bool = True,
        strict: bool = True,
        inside: str = "program",
    ) -> None:
        self.limits = limits
        self.began = time.monotonic()
        self.held: list[str] = []
        self._folder: str | None = None
        self._owned: list[int] = []
        self._output: int | None = None
        self._launched: process.Launched | None = None
        files = dict(files or {})
        if script is not None:
            # A lone surrogate cannot be encoded; the program is then none, and Python says so inside.
            files[3] = script.encode("utf-8", "surrogatepass")
        try:
            self._start(inside, isolation, {0: stdin, **files}, capture, strict)
        except BaseException:
            self.stop()
            raise

    def _start(
        self, main: str, isolation: Isolation, files: dict[int, bytes | int], capture: bool, strict: bool
    ) -> None:
        # Made by the launcher, and only where the program gets no root of its own.
        self._folder = f"{tempfile.gettempdir()}/grpo-sandbox-{os.getpid()}-{os.urandom(8).hex()}"
        spec = {
            "main": main,
            "limits": asdict(self.limits),
            "required": list(isolation.held) if strict else [],
            "as_root": isolation.as_root,
            "namespaces": isolation.namespaces and not isolation.bubblewrap,
            "drop_user": isolation.drop_user,
            # Not to be seen from within a user namespace.
            "spawned_by_root": os.geteuid() == 0,
            "given": list(GIVES) if isolation.bubblewrap else [],
            "shown": list(places.shown()),
            "hidden": list(places.hidden()),
            "folder": self._folder,
            # Judges are ours to fork; what they may not is taken from each of them.
            "judges": main == "judges",
        }
        passed = {number: self._own(readable(c)) if isinstance(c, bytes) else c for number, c in files.items()}
        passed[1] = passed[2] = self._own(os.open("/dev/null", os.O_WRONLY))
        if capture:
            self._output, passed[1] = os.pipe()
            self._own(passed[1])
        ours, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._launched = process.Launched(ours)
        with control:
            if isolation.bubblewrap:
                self._launched.process = self._in_bubblewrap(isolation.bubblewrap, spec, control.fileno(), passed)
            else:
                process.launch(spec, control.fileno(), passed)
        self._let_go()

    def _in_bubblewrap(
        self, bubblewrap: str, spec: dict[str, Any], control: int, passed: dict[int, int]
    ) -> subprocess.Popen[bytes]:
        # What is passed on is numbered anew by the launcher, so the numbers that the descriptors have here do.
        spec |= {"parent": 1, "control": control, "descriptors": [(here, there) for there, here in passed.items()]}
        command = bubblewrap_command(
            bubblewrap,
            process.python_command("once", marshal.dumps(spec).hex(), packages=PACKAGES_INSIDE),
            shown=places.shown(),
            hidden=places.hidden(),
            package=f"{process.PACKAGES}/grpo_cli",
            files_mb=self.limits.files_mb,
            writable=not spec["judges"],
        )
        return process.spawn(command, [control, *passed.values()])

    def started(self) -> None:
        """Wait until its protections are in force and it runs.

        Raises:
            RunError: they could not be put in force.
        """
        if self.held:
            return
        assert self._launched
        # The launcher's own work; generous, since the machine may be busy.
        try:
            report = self._launched.report(self.began + 30 + self.limits.wall_seconds)
        except TimeoutError:
            raise RunError("The sandbox could not be built: the launcher does not answer") from None
        if "error" in report:
            raise RunError(f"The sandbox could not be built: {report['error']}")
        self.held = report["held"]
        self.began = time.monotonic()

    def _own(self, descriptor: int) -> int:
        self._owned.append(descriptor)
        return descriptor

    def _let_go(self) -> None:
        while self._owned:
            os.close(self._owned.pop())

    @property
    def deadline(self) -> float:
        """When its time is over, on `time.monotonic`'s clock."""
        return self.began + self.limits.wall_seconds

    def finish(self) -> Outcome:
        """Read what it prints until it ends, or until it must be ended."""
        self.started()
        assert self._launched and self._output is not None
        most = self.limits.output_kb << 10
        printed = b""
        ended: Literal["exit", "time", "output"] = "exit"
        code: int | None = None
        try:
            while chunk := read_before(self._output, self.deadline):
                printed += chunk
                if len(printed) > most:
                    ended = "output"
                    break
            else:
                # Its output may be closed long before its end.
                code = self._launched.wait(self.deadline)
        except TimeoutError:
            ended = "time"
        seconds = time.monotonic() - self.began
        self.stop()
        # The processor's limit ends a program with SIGXCPU or SIGKILL.
        if code in (128 + signal.SIGXCPU, 128 + signal.SIGKILL):
            ended = "time"
        return Outcome(ended, code, printed[:most], seconds)

    def exit_code(self, seconds: float) -> int | None:
        """Its exit code, once it has ended by itself; None where it still runs after so many seconds."""
        assert self._launched
        try:
            return self._launched.wait(time.monotonic() + seconds)
        except TimeoutError:
            return None

    def stop(self) -> None:
        """End it, and all it has started; nothing happens where it has ended."""
        launched, self._launched = self._launched, None
        if launched is not None:
            launched.stop()
        self._let_go()
        if self._output is not None:
            os.close(self._output)
            self._output = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def remove_stale_folders() -> None:
    """Remove the folders of programs whose spawner was killed before it could."""
    for folder in Path(tempfile.gettempdir()).glob("grpo-sandbox-*-*"):
        spawner = folder.name.split("-")[2]
        if spawner.isdigit() and not Path(f"/proc/{spawner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def read_before(descriptor: int, deadline: float) -> bytes:
    """The next bytes from a pipe, empty at its end; TimeoutError at the deadline (of `time.monotonic`)."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
    return os.read(descriptor, 1 << 16)


def readable(content: bytes) -> int:
    """A new descriptor from which the content can be read, and nothing else done with it."""
    writing = os.memfd_create("sandbox")
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(writing, view) :]
        return os.open(f"/proc/self/fd/{writing}", os.O_RDONLY)
    finally:
        os.close(writing)
