"""The process that launchers are forked from: a Python that has started and imported what programs import most.

Starting Python anew for each launcher and each program costs ten times as much as forking one that runs. It knows no
more than a new one: no environment, no tests, no code; those come through descriptors that only the program gets. It
serves one spawner and ends with it. Run as `python -I -S -c … serve|once …`; standard library only, and for `once` as
little of it as can be.
"""
# ruff: noqa: SIM115

from __future__ import annotations

import _thread
import atexit
import builtins
import gc
import marshal
import os
import select
import sys

from grpo_cli.sandbox import launcher, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, NoReturn

LONGEST_REQUEST = 1 << 16
_INSIDE = "grpo_cli.sandbox.inside"
# Imported once rather than by each program; none that keeps a state worth sharing or hiding.
_PRELOADED = (
    "ast",
    "bisect",
    "collections",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "re",
    "string",
    "typing",
)


def main() -> Callable[[], NoReturn]:
    """Serve, or launch one program; returns in a program's process only, with what is to be called there.

    It is called by whoever called this, so that no frame with anything of ours in it is left.
    """
    # exit() is site's, which -S leaves out.
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    # Threads' stacks count as address space, which is limited.
    _thread.stack_size(8 << 20)
    how, argument = sys.argv[1:]
    if how == "serve":
        spec = serve(int(argument))
    else:
        # Bubblewrap's own.
        os.environ.pop("PWD", None)
        spec = marshal.loads(bytes.fromhex(argument))
        launcher.launch(spec, spec["descriptors"], spec["control"])
    code = _prepare(spec["main"])
    # As a bound method, which has no frame of its own.
    return _run.__get__(code)


def serve(descriptor: int) -> dict[str, Any]:
    """Fork a launcher per request until the other end closes; returns in a program's process, with its request."""
    import socket

    sock = socket.socket(fileno=descriptor)
    spawner = os.pidfd_open(os.getppid()) if hasattr(os, "pidfd_open") else None
    for name in (*_PRELOADED, f"{_INSIDE}.candidate", f"{_INSIDE}.judges"):
        __import__(name)
    seccomp.prepare()
    # Nothing of this is looked at again, and so not copied, by the programs' garbage collectors.
    gc.collect()
    gc.freeze()
    launchers = 0
    parent, me = os.getppid(), os.getpid()
    watched: list[Any] = [sock] if spawner is None else [sock, spawner]
    while True:
        ready = select.select(watched, [], [], 0.2 if launchers or spawner is None else None)[0]
        while launchers and os.waitpid(-1, os.WNOHANG)[0]:
            launchers -= 1
        if spawner in ready or os.getppid() != parent:
            os._exit(0)
        if sock not in ready:
            continue
        request, (control, *passed) = _receive(sock)
        if os.fork() == 0:
            spec = {**request, "parent": me}
            launcher.launch(spec, list(zip(passed, spec["numbers"], strict=True)), control)
            return spec
        launchers += 1
        for one in (control, *passed):
            os.close(one)


def _receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One request and its descriptors; this process ends where there will be none."""
    data, ancillary, _, _ = sock.recvmsg(LONGEST_REQUEST, 256)
    if not data:
        os._exit(0)
    return marshal.loads(data), list(memoryview(ancillary[0][2]).cast("i"))


def _prepare(name: str) -> CodeType:
    """Make this process look as a Python that has just started, and give what it is to run.

    Args:
        name: `program`, which stands behind descriptor 3, or a module of `inside`.
    """
    for stream, descriptor, mode, errors in (
        ("stdin", 0, "r", "surrogateescape"),
        ("stdout", 1, "w", "surrogateescape"),
        ("stderr", 2, "w", "backslashreplace"),
    ):
        made = open(descriptor, mode, encoding="utf-8", errors=errors, newline="\n", closefd=False)
        setattr(sys, stream, made)
        setattr(sys, f"__{stream}__", made)
    if name == "program":
        with open(3, "rb") as file:
            code = compile(file.read(), "main.py", "exec", dont_inherit=True)
    else:
        # Imported while it can still be found.
        main = __import__(f"{_INSIDE}.{name}", fromlist=["main"]).main
        code = compile("main()", "main.py", "exec")
    ours = [name for name in sys.modules if name.startswith("grpo_cli")]
    for one in ours:
        if name == "program" or not one.startswith(_INSIDE):
            del sys.modules[one]
    sys.path.pop(0)
    sys.argv[:] = sys.orig_argv[:] = ["main.py"]
    space = vars(sys.modules["__main__"])
    for one in [one for one in space if not one.startswith("__")]:
        del space[one]
    if name != "program":
        space["main"] = main
    return code


def _run(code: CodeType) -> NoReturn:
    """Run a program and end as Python does, but without taking down what the template has loaded (5 ms of copying)."""
    space = vars(sys.modules["__main__"])
    status = 0
    try:
        exec(code, space)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else end.code is not None
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        # Objects of the program may have last words.
        space.clear()
        gc.collect()
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except BaseException:
        status = status or 120
    finally:
        os._exit(status & 0xFF)
