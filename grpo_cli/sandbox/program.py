"""Running a program in the sandbox: start it, read what it prints, stop it in time."""

from __future__ import annotations

import marshal
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from grpo_cli.errors import RunError
from grpo_cli.sandbox import places
from grpo_cli.sandbox.bubblewrap import GIVES, bubblewrap_command
from grpo_cli.sandbox.settings import Isolation, Limits, Outcome

_PACKAGES = str(Path(__file__).resolve().parents[2])
_LAUNCH = "import sys; sys.path.insert(0, {!r}); from grpo_cli.sandbox.launcher import main; main()"
_ISOLATED = ("-I", "-S", "-B", "-X", "utf8")
# Reads the program from descriptor 3: it stands in no file and no argument. exit() is site's, which -S leaves out.
_RUN = (
    "import sys, builtins\n"
    "builtins.exit = builtins.quit = sys.exit\n"
    "sys.argv[:] = ['main.py']\n"
    "with open(3, 'rb') as file: file = file.read()\n"
    "exec(compile(file, 'main.py', 'exec', dont_inherit=True))\n"
)
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    # Else each thread reserves address space that RLIMIT_AS counts.
    "MALLOC_ARENA_MAX": "1",
}
_STOP_SECONDS = 2.0


class Program:
    """A program in the sandbox, from start to end; leaving the `with` block ends it and all it has started.

    Args:
        script: its source.
        limits: what it may use.
        isolation: how; `held` names what must be in force.
        stdin: what it reads.
        files: more descriptors, number → content to read, or an open descriptor to hand on.
        capture: whether what it prints is kept (`stdout`) or thrown away.
        strict: whether it must not run with less than `isolation.held`.

    """

    def __init__(
        self,
        script: str,
        *,
        limits: Limits,
        isolation: Isolation,
        stdin: bytes = b"",
        files: Mapping[int, bytes | int] | None = None,
        capture: bool = True,
        strict: bool = True,
    ) -> None:
        self.limits = limits
        self.began = time.monotonic()
        self.held: list[str] = []
        self._folder: str | None = None
        self._owned: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start(script, isolation, stdin, dict(files or {}), capture, strict)
        except BaseException:
            self.stop()
            raise

    def _start(
        self,
        script: str,
        isolation: Isolation,
        stdin: bytes,
        files: dict[int, bytes | int],
        capture: bool,
        strict: bool,
    ) -> None:
        # A lone surrogate cannot be encoded; the program is then none, and Python says so inside.
        files[3] = script.encode("utf-8", "surrogatepass")
        passed = [[self._own(c) if isinstance(c, bytes) else c, number] for number, c in files.items()]
        reading, status = os.pipe()
        self._owned.append(reading)
        # Made by the launcher, and only where the program gets no root of its own.
        self._folder = f"{tempfile.gettempdir()}/grpo-sandbox-{os.getpid()}-{os.urandom(8).hex()}"
        bubblewrap = isolation.bubblewrap
        spec = {
            "parent": 1 if bubblewrap else os.getpid(),
            "status": status,
            "pass": passed,
            "limits": {**asdict(self.limits)},
            "argv": [places.python(), *_ISOLATED, "-c", _RUN],
            "env": _environment(),
            "required": list(isolation.held) if strict else [],
            "as_root": isolation.as_root,
            "namespaces": isolation.namespaces and not bubblewrap,
            "drop_user": isolation.drop_user,
            "given": list(GIVES) if bubblewrap else [],
            "shown": list(places.shown()),
            "hidden": list(places.hidden()),
            "folder": self._folder,
        }
        command = [places.python(), "-I", "-S", "-c", _LAUNCH.format(_PACKAGES), marshal.dumps(spec).hex()]
        if bubblewrap:
            shown = (*places.shown(), f"{_PACKAGES}/grpo_cli/__init__.py", f"{_PACKAGES}/grpo_cli/sandbox")
            command = bubblewrap_command(
                bubblewrap, command, shown=shown, hidden=places.hidden(), files_mb=self.limits.files_mb
            )
        try:
            self._process = subprocess.Popen(
                command,
                stdin=self._own(stdin),
                stdout=subprocess.PIPE if capture else subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                pass_fds=[status, *(descriptor for descriptor, _ in passed)],
                start_new_session=True,
            )
        finally:
            os.close(status)
        self._reading: int | None = reading

    def started(self) -> None:
        """Wait until its protections are in force and it runs.

        Raises:
            RunError: they could not be put in force.
        """
        if self._reading is None:
            return
        reading, self._reading = self._reading, None
        answer = b""
        # The launcher's own work; generous, since the machine may be busy.
        deadline = self.began + 30 + self.limits.wall_seconds
        try:
            while chunk := read_before(reading, deadline):
                answer += chunk
        except TimeoutError:
            raise RunError("The sandbox could not be built: the launcher does not answer") from None
        report: dict[str, Any] = marshal.loads(answer) if answer else {"error": "the launcher ended without a word"}
        if "error" in report:
            raise RunError(f"The sandbox could not be built: {report['error']}")
        self.held = report["held"]
        self.began = time.monotonic()

    def _own(self, content: bytes) -> int:
        descriptor = _readable(content)
        self._owned.append(descriptor)
        return descriptor

    @property
    def deadline(self) -> float:
        """When its time is over, on `time.monotonic`'s clock."""
        return self.began + self.limits.wall_seconds

    def finish(self) -> Outcome:
        """Read what it prints until it ends, or until it must be ended."""
        self.started()
        assert self._process and self._process.stdout
        most = self.limits.output_kb << 10
        printed = b""
        ended: Literal["exit", "time", "output"] = "exit"
        try:
            while chunk := read_before(self._process.stdout.fileno(), self.deadline):
                printed += chunk
                if len(printed) > most:
                    ended = "output"
                    break
        except TimeoutError:
            ended = "time"
        code: int | None = None
        if ended == "exit":
            try:
                # Its output may be closed long before its end.
                code = self._process.wait(max(0.0, self.deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                ended = "time"
        seconds = time.monotonic() - self.began
        self.stop()
        # The processor's limit ends a program with SIGXCPU or SIGKILL.
        if code in (128 + signal.SIGXCPU, 128 + signal.SIGKILL):
            ended = "time"
        return Outcome(ended, code, printed[:most], seconds)

    def exit_code(self, seconds: float) -> int | None:
        """Its exit code, once it has ended by itself; None where it still runs after so many seconds."""
        assert self._process
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End it, and all it has started; nothing happens where it has ended."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout:
                process.stdout.close()
        while self._owned:
            os.close(self._owned.pop())
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


def _environment() -> dict[str, str]:
    # Where Python finds its own library; nothing works without it.
    library: str | None = os.environ.get("LD_LIBRARY_PATH")
    return {**_ENVIRONMENT, **({"LD_LIBRARY_PATH": library} if library else {})}


def read_before(descriptor: int, deadline: float) -> bytes:
    """The next bytes from a pipe, empty at its end; TimeoutError at the deadline (of `time.monotonic`)."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
    return os.read(descriptor, 1 << 16)


def _readable(content: bytes) -> int:
    """A descriptor from which the content can be read, and nothing else done with it."""
    writing = os.memfd_create("sandbox")
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(writing, view) :]
        return os.open(f"/proc/self/fd/{writing}", os.O_RDONLY)
    finally:
        os.close(writing)
