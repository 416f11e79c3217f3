"""The sweep's side of the process its jobs are forked from, and of a job that was forked from it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.launch.identity import own_identity
from grpo_cli.launch.process import PolledProcess
from grpo_cli.launch.stem import MESSAGE_BYTES, NVML_CHECK
from grpo_cli.launch.worker_guard import COMPOSER

JOB_MODULE = "grpo_cli.sweep.job_process"
LOAD_SECONDS = 180.0  # imports from a slow network disk take minutes
ANSWER_SECONDS = 30.0  # to a request that takes milliseconds


class TemplateLost(Exception):
    """The template has ended or does not answer, so that no job was started."""


class Template:
    """The sweep's side of the template (sweep/template.py).

    To be made in the main thread: the kernel ends the template when the thread that started it does.

    Args:
        env: its environment, as a worker will have it.
        log: where its output is appended.
    """

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grpo_cli.sweep.template", str(theirs.fileno()), str(log)],
                env={**env, COMPOSER: own_identity(), NVML_CHECK: "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._started: list[tuple[int, int]] = []  # pid and pidfd of a job that nobody has asked for yet
        self._ended: dict[int, int] = {}
        self._deadline = time.monotonic() + LOAD_SECONDS
        self.loaded = False
        self.problem: str | None = None

    @property
    def ready(self) -> bool:
        """Whether it can fork a job."""
        return self.loaded and not self.problem

    def poll(self, patience: float = 0.0) -> None:
        """Read what it says; `ready` and `problem` are up to date then.

        Args:
            patience: seconds to wait for a first message.
        """
        while self._sock.fileno() >= 0 and select.select([self._sock], [], [], patience)[0]:
            patience = 0.0
            try:
                data, fds, _, _ = socket.recv_fds(self._sock, MESSAGE_BYTES, 1)
            except ConnectionResetError:
                data, fds = b"", []
            if not data:
                self.lose(f"ended ({self._how_it_ended()})")
                return
            message: dict[str, Any] = json.loads(data)
            if "failed" in message:
                self.lose(str(message["failed"]))
            elif "started" in message:
                self._started.append((int(message["started"]), fds[0]))
            elif "ended" in message:
                self._ended[int(message["ended"])] = int(message["code"])
            else:
                self.loaded = True
        if not self.loaded and not self.problem and time.monotonic() > self._deadline:
            self.lose(f"did not load within {LOAD_SECONDS:g} s")

    def start(self, arguments: Sequence[str], env: Mapping[str, str], log: int) -> WarmJob:
        """Fork a job.

        Args:
            arguments: of `sweep.job_process`.
            env: its whole environment.
            log: file descriptor of its log.

        Returns:
            The job's process, to be used as a `subprocess.Popen`.

        Raises:
            TemplateLost: none was started.
        """
        start = {"module": JOB_MODULE, "arguments": [*arguments], "environment": dict(env), "folder": str(Path.cwd())}
        try:
            socket.send_fds(self._sock, [json.dumps(start).encode()], [log])
        except OSError as error:  # it has ended, or the environment is larger than a message
            raise TemplateLost(str(error)) from error
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self._started and not self.problem:
            self.poll(0.1)
            if time.monotonic() > deadline:
                self.lose("did not answer")
        if not self._started:
            raise TemplateLost(str(self.problem))
        return WarmJob(self, *self._started.pop())

    def code_of(self, pid: int) -> int | None:
        """The exit code of a job that has ended; None where the template has not told it."""
        self.poll()
        return self._ended.pop(pid, None)

    def lose(self, problem: str) -> None:
        """Have no more to do with it; every job of it ends."""
        self.problem = self.problem or problem
        self.close()

    def close(self) -> None:
        """End it, and every job that it forked."""
        self._sock.close()
        self._process.kill()
        self._process.wait()

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it closed its socket"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class WarmJob(PolledProcess):
    """A job that a template forked: not this process's child, so the template tells how it ended.

    Args:
        template: where it comes from.
        pid: its process id.
        pidfd: names the process itself, which a pid does no more once it has been collected.
    """

    def __init__(self, template: Template, pid: int, pidfd: int) -> None:
        super().__init__(pid)
        self._template, self._pidfd = template, pidfd
        self._over_since: float | None = None
        self.why: str | None = None  # a sentence, where it ended through no doing of its own

    def poll(self) -> int | None:
        """Look whether it has ended; returns `returncode`."""
        if self.returncode is None and select.select([self._pidfd], [], [], 0)[0]:
            self._over_since = self._over_since or time.monotonic()
            code = self._template.code_of(self.pid)
            if code is None and not self._template.problem and time.monotonic() > self._over_since + ANSWER_SECONDS:
                self._template.lose("did not answer")
            if code is None and self._template.problem:
                code = -signal.SIGKILL
                self.why = f"The process it was forked from {self._template.problem}, and it ended with that."
            if code is not None:
                os.close(self._pidfd)
                self.returncode = code
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it a signal; none once it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, sig)
