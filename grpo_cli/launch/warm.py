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

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from grpo_cli.launch.environment import KIND as LAUNCH_KIND
from grpo_cli.launch.environment import RUN_ID, WORLD_SIZE
from grpo_cli.launch.prctl import set_name
from grpo_cli.launch.process import ForkedProcess
from grpo_cli.launch.warden import Warden
from grpo_cli.launch.worker_guard import COMPOSER

WORKER_MODULE = "grpo_cli.training.worker"
WORKER_NAME = "grpo-worker"  # as `ps -o comm` shows it, with the processes that it forks
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MESSAGE_BYTES = 1 << 20

# Only the template has it: CUDA is looked for without being initialised, which a forked process could not use.
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
# Every other variable may be read by some library while it is imported (HF_HOME, OMP_NUM_THREADS, TRANSFORMERS_*,
# PYTHON*, …), and so must be what it was then. These are read later, or never by a library.
_PER_JOB = {RUN_ID, WORLD_SIZE, LAUNCH_KIND, COMPOSER, NVML_CHECK}
_GPUS = "CUDA_VISIBLE_DEVICES"  # read when CUDA is initialised; but whether there is one at all is looked up before


@dataclass(frozen=True)
class Origin:
    """What a process was that has only imported: what its forks are set back to.

    Attributes:
        environment: what the imports saw.
        path: its `sys.path`.
        handlers: of the signals in `STOPS`.
    """

    environment: dict[str, str]
    path: list[str]
    handlers: dict[int, Any]


@dataclass(frozen=True)
class Start:
    """A Python module to be run as `python -m` runs it.

    Attributes:
        module: its name.
        arguments: what follows it.
        environment: all of it.
        folder: the working directory.
    """

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str


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
    fits = _stem is not None and tuple(argv[:3]) == (sys.executable, "-m", WORKER_MODULE)
    if not fits or _stem is None or differing(_stem.imported_under, env):
        return None
    taken, _stem = _stem, None
    return taken


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


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold the signals in `STOPS` back, so that a child just forked gets none before it knows what to do with it."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def restore_signals(origin: Origin) -> None:
    """Give the signals in `STOPS` the handlers they had."""
    for number, handler in origin.handlers.items():
        signal.signal(number, handler)


def run(start: Start, origin: Origin) -> NoReturn:
    """Be what `python -m` would be, as far as imports alone do not make it: environment, folder, paths, arguments.

    Args:
        start: what is to be run.
        origin: the state it starts from.
    """
    code: object = 0
    try:
        os.chdir(start.folder)
        os.environ.clear()
        os.environ.update(start.environment)
        sys.path[:] = origin.path
        sys.argv = [start.module, *start.arguments]
        sys.orig_argv = [sys.executable, "-m", *sys.argv]
        importlib.invalidate_caches()  # files may be newer than the imports
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # `random` does this by itself; torch starts from a fixed seed anyway
        runpy.run_module(start.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        sys.excepthook(*sys.exc_info())
        code = error if isinstance(error, KeyboardInterrupt) else 1
    end_process(code)


def end_process(code: object) -> NoReturn:
    """End as Python ends, but for taking every module apart: 0.4 s, since all pages of them would be copied for it.

    Args:
        code: what `sys.exit` was given, or the KeyboardInterrupt that nobody caught.
    """
    if isinstance(code, str):
        print(code, file=sys.stderr)
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    with suppress(BaseException):
        atexit._run_exitfuncs()
    # Files that nobody closed; those made by imports are not among them (`gc.freeze`).
    for each in [sys.stdout, sys.stderr, *gc.get_objects()]:
        if isinstance(each, io.IOBase):
            with suppress(BaseException):
                each.flush()
    if isinstance(code, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF if isinstance(code, int) else int(code is not None))
