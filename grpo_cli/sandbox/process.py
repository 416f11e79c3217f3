"""Our side of the processes that build sandboxes: the template, one for this process, and a launcher."""

from __future__ import annotations

import array
import atexit
import contextlib
import marshal
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.sandbox import places

PACKAGES = str(Path(__file__).resolve().parents[2])
_RUN = "import sys; sys.path.insert(0, {!r}); from grpo_cli.sandbox.template import main; main()()"
_ISOLATED = ("-I", "-S", "-B", "-X", "utf8")
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    # Else each thread reserves address space that RLIMIT_AS counts.
    "MALLOC_ARENA_MAX": "1",
}
_STOP_SECONDS = 2.0
_KILLED = 128 + 9


class Launched:
    """A launcher and its program, from outside.

    Args:
        control: our end of the socket on which the launcher reports.
        process: the process that we started for it, if any.
    """

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self._control = control
        self.process = process
        self._code: int | None = None

    def report(self, deadline: float) -> dict[str, Any]:
        """What the launcher says before the program starts: `held`, or an `error`.

        Raises:
            TimeoutError: it says nothing until the deadline (of `time.monotonic`).
        """
        said = self._hear(deadline)
        return said if "code" not in said else {"error": "the launcher ended without a word"}

    def wait(self, deadline: float) -> int:
        """The program's exit code, once it and all it started have ended.

        Raises:
            TimeoutError: it still runs at the deadline.
        """
        while self._code is None:
            self._hear(deadline)
        return self._code

    def _hear(self, deadline: float) -> dict[str, Any]:
        if not select.select([self._control], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        try:
            data = self._control.recv(1 << 16)
        except OSError:
            data = b""
        said: dict[str, Any] = marshal.loads(data) if data else {"code": _KILLED}
        self._code = said.get("code")
        return said

    def stop(self) -> None:
        """End it, and all it has started; nothing happens where it has ended."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            self.wait(time.monotonic() + _STOP_SECONDS)
        self._control.close()
        if self.process is not None:
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Template:
    """The process that launchers are forked from (`sandbox.template`)."""

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = spawn(python_command("serve", str(theirs.fileno())), [theirs.fileno()])

    def launch(self, spec: dict[str, Any], control: int, descriptors: Sequence[int]) -> None:
        """Have a launcher forked.

        Raises:
            OSError: the template has ended.
        """
        passed = array.array("i", [control, *descriptors])
        self._sock.sendmsg([marshal.dumps(spec)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])

    def forget(self) -> None:
        """In a forked child: let go of what is the parent's."""
        self._sock.close()
        self.process.returncode = 0  # it is no child of ours to wait for

    def close(self) -> None:
        """End it, and all programs with it."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # even where a child of ours still holds it
        self._sock.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_lock = threading.Lock()
_template: Template | None = None


def template() -> Template:
    """The template of this process, started where there is none."""
    global _template
    with _lock:
        if _template is not None and _template.process.poll() is not None:
            _close()
        if _template is None:
            _template = Template()
        return _template


def close() -> None:
    """End the template of this process; the next program starts another one."""
    with _lock:
        _close()


def _close() -> None:
    global _template
    if _template is not None:
        _template.close()
        _template = None


def _forget() -> None:
    global _template, _lock
    _lock = threading.Lock()
    if _template is not None:
        _template.forget()
        _template = None


atexit.register(close)
os.register_at_fork(after_in_child=_forget)


def launch(spec: dict[str, Any], control: int, descriptors: Mapping[int, int]) -> None:
    """Have the template fork a launcher.

    Args:
        spec: how the sandbox is to be, as `Program` lays it out.
        control: the launcher's end of its socket.
        descriptors: number → the open descriptor that the program is to have under it.

    Raises:
        RunError: the template cannot be reached.
    """
    spec = {**spec, "numbers": list(descriptors)}
    for last in (False, True):
        try:
            template().launch(spec, control, list(descriptors.values()))
            return
        except OSError as error:
            if last:
                raise RunError(
                    f"The sandbox could not be built: its template process does not answer: {error}"
                ) from None


def python_command(*arguments: str, packages: str = PACKAGES) -> list[str]:
    """The command line of a Python that runs `sandbox.template` and knows nothing of this process.

    Args:
        arguments: to the template.
        packages: folder in which it finds this package.
    """
    return [places.python(), *_ISOLATED, "-c", _RUN.format(packages), *arguments]


def spawn(command: Sequence[str], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a process with these descriptors and hardly any environment."""
    # Where Python finds its own library; nothing works without it.
    library = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if os.environ.get(name)}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**_ENVIRONMENT, **library},
        cwd="/",
        pass_fds=descriptors,
        start_new_session=True,
    )
