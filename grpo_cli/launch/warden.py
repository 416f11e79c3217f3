"""The small process between grpo-train and its workers: whatever happens, it leaves nothing behind.

Started as `python -I -S warden.py <pipe> <argv…>`, standard library only, 10 MB. It

- is the subreaper of everything the worker starts (Linux): a process whose parent died is handed to the
  warden and not to init, so that the whole tree can always be found and killed;
- holds the reading end of a pipe whose writing end only the composer has: when the composer ends in any
  way, SIGKILL included, the pipe closes and the warden kills the tree;
- removes the shared memory of its tree that nobody maps any more (shared_memory.py);
- ends as its child ended, with the same exit code or by the same signal, after the child's leftovers.

It ignores SIGINT, SIGTERM and SIGHUP: whether a run stops is for the composer and the workers to say.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import time

if __name__ == "__main__":
    # By path: `-I` keeps the working directory out, and the package itself would bring more than is needed here.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    from prctl import adopt_orphans, die_with_parent
    from shared_memory import SharedMemory

    sys.path.pop(0)
else:
    from grpo_cli.launch.prctl import adopt_orphans, die_with_parent
    from grpo_cli.launch.shared_memory import SharedMemory

LINGER_SECONDS = 2.0  # what the child leaves running has this long to end by itself
LOOK_SECONDS = 0.2  # between two looks at the shared memory


def _children() -> dict[int, list[int]]:
    """Children of every process, by pid."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  (pathlib would double the start-up time)
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat") as stat:  # noqa: PTH123
                text = stat.read()
                parent = int(text[text.rindex(")") + 2 :].split()[1])
                children.setdefault(parent, []).append(int(name))
    return children


def _descendants() -> list[int]:
    """Every process below this one; itself not."""
    children = _children()
    found: list[int] = []
    level = [os.getpid()]
    while level:
        level = [child for pid in level for child in children.get(pid, [])]
        found += level
    return found


def _reap(main: int, status: int | None) -> tuple[int | None, bool]:
    """Collect ended children; returns the main child's status and whether any child is left."""
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status, False
        if pid == 0:
            return status, True
        if pid == main:
            status = ended


def _kill_all(main: int, group: int, status: int | None, memory: SharedMemory) -> int | None:
    """SIGKILL the tree until nothing is left of it (a process may fork while it is being counted)."""
    if sys.platform == "linux":
        for pid in _descendants():  # stopped, so that none makes a segment between the look and its end
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGSTOP)
        memory.note(_descendants, last=True)
    for _ in range(200):
        pids = _descendants() if sys.platform == "linux" else []
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if sys.platform != "linux":
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        status, left = _reap(main, status)
        if not left:
            break
        time.sleep(0.01)
    return status


class Warden:
    """The calling process as the warden of one command: made before the command is started.

    Args:
        pipe: file descriptor that closes when the composer has gone.
    """

    def __init__(self, pipe: int) -> None:
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, lambda *_: None)  # a handler, since SIG_IGN would be inherited by the child
        adopt_orphans()
        self._pipe = pipe
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._memory = SharedMemory()

    def watch(self, child: int) -> int:
        """See the command, and everything it started, to its end.

        Args:
            child: the command's process, a child of this one.

        Returns:
            The command's exit code; where a signal ended it, the warden ends by that signal too.
        """
        memory, pipe, wake = self._memory, self._pipe, self._wake
        status: int | None = None
        left = True
        deadline = float("inf")
        while left:
            ready, _, _ = select.select([pipe, wake], [], [], 0.05 if status is not None else LOOK_SECONDS)
            if wake in ready:
                os.read(wake, 4096)
            memory.note(_descendants)
            status, left = _reap(child, status)
            if status is not None and deadline == float("inf"):
                deadline = time.monotonic() + LINGER_SECONDS
            if pipe in ready or time.monotonic() > deadline:
                status = _kill_all(child, child, status, memory)
                break
        memory.clear()
        code = os.waitstatus_to_exitcode(status) if status is not None else 1
        if code < 0:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the child has left its core; ours would say nothing
            with contextlib.suppress(OSError, ValueError):
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        return code

    def left_by_child(self) -> None:
        """In a child that was forked and goes on in this program: take back what only a warden needs."""
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in (self._pipe, self._wake, self._waker):
            os.close(fd)


def main(pipe: int, argv: list[str]) -> int:
    """Run a command and see it, and everything it started, to its end.

    Args:
        pipe: file descriptor that closes when the composer has gone.
        argv: the command.

    Returns:
        The command's exit code; where a signal ended it, the warden ends by that signal too.
    """
    warden = Warden(pipe)
    child = subprocess.Popen(argv, start_new_session=sys.platform != "linux", preexec_fn=die_with_parent)
    child.returncode = 0  # `watch` collects it
    return warden.watch(child.pid)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
