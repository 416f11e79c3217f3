"""Forked processes that are as `python -m` would make them, from one that has done the imports."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        # Drawn at import, and so the same in all forks; `random` draws anew by itself.
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()
        if torch := sys.modules.get("torch"):
            torch.default_generator.seed()
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
