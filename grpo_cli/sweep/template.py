"""The process that a sweep's jobs are forked from: `python -m grpo_cli.sweep.template <socket> <log>`.

It imports what a worker imports, and runs nothing: no operation of torch's, no CUDA, no thread. So each job it forks
is as if just started, in a session of its own, seconds sooner. It forks at the request of the sweep's process, tells
that how each job ended, and ends when that does, however that ends; all jobs end with it. Like the warden it leaves
SIGINT, SIGTERM and SIGHUP to those who decide whether a sweep stops.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.launch.forked import STOPS, Origin, Start, held_signals, restore_signals, run
from grpo_cli.launch.prctl import adopt_orphans, die_with_parent, set_name
from grpo_cli.launch.stem import MESSAGE_BYTES, WORKER_NAME, grow_stem

# What workers and jobs import, but for the modules that they are run as.
PRELOADED = ("grpo_cli.training.run", "grpo_cli.jobs.job", "grpo_cli.config.command_line", "grpo_cli.report.write")
# Threads that imports start and that know of forks: the allocator of pyarrow, which `datasets` brings.
HARMLESS_THREADS = {"jemalloc_bg_thd"}
REST_SECONDS = 1.0


def main(fd: int) -> None:
    """Import, then fork jobs until the other end of the socket closes; in a job it runs that.

    Args:
        fd: the socket.
    """
    parent = os.getppid()
    die_with_parent()
    set_name("grpo-template")
    adopt_orphans()
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in STOPS}
    origin = Origin(dict(os.environ), list(sys.path), handlers)
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    sock = socket.socket(fileno=fd)
    try:
        for name in PRELOADED:
            importlib.import_module(name)
        reason = why_not_forkable()
        problem = reason and f"cannot be forked: {reason}"
    except BaseException as error:
        traceback.print_exc()
        problem = f"failed with {type(error).__name__}: {error}"[:1000]
    gc.collect()
    gc.freeze()  # what is collected later is not spread over pages that all jobs share
    tell(sock, {"failed": problem} if problem else {"ready": True})
    job = None if problem or os.getppid() != parent else Forking(sock, origin).serve()
    if job is None:
        os._exit(0)  # the jobs have ended, or end with it; nothing of torch's needs to be taken down
    # From here on this is a job, or a worker that one starts.
    run(grow_stem(origin) or job, origin)


def why_not_forkable() -> str | None:
    """What the imports did that a fork does not survive; None where they did nothing of the kind."""
    import torch

    if torch.cuda.is_initialized():
        return "an import initialised CUDA"
    if threading.active_count() > 1:
        return f"an import started a thread ({threading.enumerate()[-1].name})"
    pid = os.fork()
    if pid == 0:
        os._exit(1 if torch.cuda._is_in_bad_fork() else 0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        return "an import initialised CUDA"
    # After a fork: numpy's OpenBLAS ends its threads before one, and starts them when they are next needed.
    for task in Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        if int(task.name) != os.getpid() and name not in HARMLESS_THREADS:
            return f"an import started a thread ({name})"
    return None


@dataclass
class Forking:
    """The template at work.

    Attributes:
        sock: where requests come from and ends are told.
        origin: the state that every job starts from.
        jobs: pid of each job that runs, by its pidfd.
    """

    sock: socket.socket
    origin: Origin
    jobs: dict[int, int] = field(default_factory=dict)

    def serve(self) -> Start | None:
        """Fork a job for each request.

        Returns:
            In a job: what it is to run. In the template itself None, when the sweep's process has gone.
        """
        while True:
            waited_for: list[Any] = [self.sock, *self.jobs]
            ready = select.select(waited_for, [], [], REST_SECONDS)[0]
            try:
                for pidfd in self.jobs.keys() & set(ready):
                    self.collect(pidfd)
                self.end_orphans()
                if self.sock in ready:
                    data, fds, _, _ = socket.recv_fds(self.sock, MESSAGE_BYTES, 1)
                    if not data:
                        return None
                    if self.fork(fds[0]):
                        return Start(**json.loads(data))
            except (BrokenPipeError, ConnectionResetError):
                return None

    def fork(self, log: int) -> bool:
        """Fork a job and tell its pid, with a pidfd; True in the job, whose output goes to `log`."""
        template = os.getpid()
        with held_signals():
            pid = os.fork()
            if pid == 0:
                die_with_parent()
                if os.getppid() != template:
                    os._exit(1)
                restore_signals(self.origin)
        if pid == 0:
            os.setsid()  # Ctrl-C in the terminal reaches it through the sweep's process only, once
            set_name("grpo-job")
            for stream in (1, 2):
                os.dup2(log, stream)
            for fd in (log, *self.jobs):
                os.close(fd)
            self.sock.close()
            return True
        os.close(log)
        pidfd = os.pidfd_open(pid)
        self.jobs[pidfd] = pid
        tell(self.sock, {"started": pid}, pidfd)
        return False

    def collect(self, pidfd: int) -> None:
        """Tell how a job ended."""
        pid = self.jobs.pop(pidfd)
        os.close(pidfd)
        tell(self.sock, {"ended": pid, "code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})

    def end_orphans(self) -> None:
        """Collect what has lost its parent and ended; end what a worker forked whose warden was killed.

        A warden whose job was killed comes here too: it is still clearing up, and ends by itself. Programs that were
        executed are found by their environment (launch/tree.py).
        """
        children: list[str] = []
        with contextlib.suppress(OSError):  # a kernel without this list
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for pid in map(int, children):
            if pid not in self.jobs.values():
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{pid}/comm").read_text().strip() == WORKER_NAME:
                        os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)


def tell(sock: socket.socket, message: dict[str, object], *fds: int) -> None:
    """Send a message to the sweep's process, with file descriptors."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has gone, which is read where it is read
        socket.send_fds(sock, [json.dumps(message).encode()], fds)


if __name__ == "__main__":
    main(int(sys.argv[1]))
