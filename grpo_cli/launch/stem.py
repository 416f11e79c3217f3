"""Workers forked from a process that has imported what they need, in place of a Python that imports it anew.

    template ─▶ job ─▶ stem, later warden ─▶ worker
    imported           waits                  training.worker

The job is a composer like any other (see sweep/job_process.py). Before it runs a line, while it still has one thread
and nothing but the template's imports, it forks its *stem*. When the job starts its worker (running.py), the stem
becomes the warden of it, and forks it. So the worker inherits nothing of the job, and the job, the warden and the
worker are to each other what they are otherwise: parent and child, each with a session, and deaths noticed by the
same means.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grpo_cli.launch.environment import KIND as LAUNCH_KIND
from grpo_cli.launch.environment import RUN_ID, WORLD_SIZE
from grpo_cli.launch.forked import STOPS, Origin, Start, held_signals, restore_signals
from grpo_cli.launch.prctl import set_name
from grpo_cli.launch.process import ForkedProcess
from grpo_cli.launch.warden import Warden
from grpo_cli.launch.worker_guard import COMPOSER

WORKER_MODULE = "grpo_cli.training.worker"
WORKER_NAME = "grpo-worker"  # as `ps -o comm` shows it, with the processes that it forks
MESSAGE_BYTES = 1 << 20

# Only the template has it: CUDA is looked for without being initialised, which a forked process could not use.
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
# Every other variable may be read by some library while it is imported (HF_HOME, OMP_NUM_THREADS, TRANSFORMERS_*,
# PYTHON*, …), and so must be what it was then. These are read later, or never by a library.
_PER_JOB = {RUN_ID, WORLD_SIZE, LAUNCH_KIND, COMPOSER, NVML_CHECK}
_GPUS = "CUDA_VISIBLE_DEVICES"  # read when CUDA is initialised; but whether there is one at all is looked up before


@dataclass
class Stem:
    """The job's side of its stem.

    Attributes:
        process: the stem.
        sock: what it waits at.
        imported_under: the environment that its imports saw.
    """

    process: ForkedProcess
    sock: socket.socket
    imported_under: Mapping[str, str]

    def start(self, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int]) -> ForkedProcess | None:
        """Have it start the worker.

        Args:
            argv: the worker's command.
            env: its whole environment.
            fds: the reading end of the warden's pipe, and the log.

        Returns:
            The process that stands for the worker; None where the stem cannot be reached, which starts nothing.
        """
        order = {"module": argv[2], "arguments": list(argv[3:]), "environment": dict(env), "folder": str(Path.cwd())}
        with self.sock:
            try:
                socket.send_fds(self.sock, [json.dumps(order).encode()], list(fds))
            except OSError:  # it has been killed, or the environment is larger than a message
                return None
        return self.process


_stem: Stem | None = None  # this process's own


def take_stem(argv: Sequence[str], env: Mapping[str, str]) -> Stem | None:
    """The stem of this process, where it has one that has not been used and that fits; it is the caller's then.

    Args:
        argv: the command to start.
        env: its whole environment.
    """
    global _stem
    if _stem is None or why_unfit(_stem, argv, env):
        return None
    taken, _stem = _stem, None
    return taken


def own_stem() -> Stem | None:
    """The stem of this process, while it has one."""
    return _stem


def why_unfit(stem: Stem, argv: Sequence[str], env: Mapping[str, str]) -> str | None:
    """Why a command cannot be forked from a stem; None where it can.

    Args:
        stem: the stem.
        argv: the command to start.
        env: its whole environment.
    """
    if tuple(argv[:3]) != (sys.executable, "-m", WORKER_MODULE):
        return "several processes go through accelerate"
    names = differing(stem.imported_under, env)
    return f"another {', '.join(names)} than the libraries were imported under" if names else None


def differing(imported_under: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """The variables for which what was imported under one environment cannot serve another.

    Example:
        >>> differing({"HF_HOME": "/a", "GRPO_TRAIN_RUN": "1"}, {"HF_HOME": "/b", "GRPO_TRAIN_RUN": "2"})
        ['HF_HOME']
    """
    names = {name for name in {*imported_under, *env} if imported_under.get(name) != env.get(name)} - _PER_JOB
    if imported_under.get(_GPUS) and env.get(_GPUS):
        names.discard(_GPUS)
    return sorted(names)


def grow_stem(origin: Origin) -> Start | None:
    """Fork this process's stem. To be called while it has one thread.

    Args:
        origin: what the worker is set back to.

    Returns:
        None in the calling process. In the worker, once that has been asked for: what it is to run. The stem itself
        never returns.
    """
    global _stem
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with held_signals():
        pid = os.fork()
        if pid == 0:
            for number in STOPS:
                signal.signal(number, lambda *_: None)
    if pid:
        theirs.close()
        _stem = Stem(ForkedProcess(pid), ours, origin.environment)
        return None
    ours.close()
    os.setsid()
    set_name("grpo-warden")
    try:
        data, fds, _, _ = socket.recv_fds(theirs, MESSAGE_BYTES, 2)
    except BaseException:
        os._exit(1)
    if not data:  # the job has ended, or started its worker in another way
        os._exit(0)
    theirs.close()
    pipe, log = fds
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    warden = Warden(pipe)
    with held_signals():
        worker = os.fork()
        if worker == 0:
            warden.left_by_child()
            restore_signals(origin)
    if worker:
        os._exit(warden.watch(worker))
    set_name(WORKER_NAME)
    return Start(**json.loads(data))
