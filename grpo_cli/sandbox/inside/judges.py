"""Forks a judge for each program that is tested, in one sandbox of their own that no program is ever in.

A judge gets its tests and its pipes when it is forked, may write no file, start no process and send no signal, so
nothing of one row's tests is left for the next. Descriptor: 4, a socket on which each request brings limits and, in
this order, a socket that tells of the end at either side, and what the judge is to have as 4, 5, 6 and 7.
"""

from __future__ import annotations

import array
import fcntl
import marshal
import os
import resource
import select
import signal
import socket

from grpo_cli.sandbox import linux, seccomp
from grpo_cli.sandbox.inside import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FREE = 40  # descriptors from here on are nobody's: there are up to 64
_MEGABYTE = 1 << 20


def main() -> None:
    """Fork judges until the other end closes."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=4)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    judges: dict[int, int] = {}  # the socket of each, and its process id
    while True:
        watched: list[Any] = [sock, woken, *judges]
        ready = select.select(watched, [], [])[0]
        for control in judges:
            if control in ready:
                os.kill(judges[control], signal.SIGKILL)
        if woken in ready:
            os.read(woken, 64)
        for control in [control for control, pid in judges.items() if os.waitpid(pid, os.WNOHANG)[0]]:
            del judges[control]
            os.close(control)
        if sock not in ready:
            continue
        data, ancillary, _, _ = sock.recvmsg(1 << 10, socket.CMSG_SPACE(4 * 5))
        if not data:
            return
        control, *passed = array.array("i", ancillary[0][2])
        pid = os.fork()
        if pid == 0:
            _judge(marshal.loads(data), passed)
        judges[control] = pid
        for one in passed:
            os.close(one)


def _judge(limits: dict[str, int], passed: list[int]) -> None:
    """Become a judge, with less power than whoever forks them; never returns."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        linux.die_with_parent()
        lifted = [fcntl.fcntl(one, fcntl.F_DUPFD, _FREE) for one in passed]
        for number, one in enumerate(lifted, 4):
            os.dup2(one, number)
        os.closerange(3, 4)
        os.closerange(4 + len(lifted), 64)
        cpu, memory = limits["cpu_seconds"], limits["memory_mb"] * _MEGABYTE
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if seccomp.supported():
            seccomp.install(seccomp.filtering(processes=False, shared_processes=True, shared_files=True))
        judge.main()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
