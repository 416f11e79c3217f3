"""Real runs without the seven seconds of processor time in which a worker imports torch, transformers and TRL.

    grpo-train ─▶ warm python ─▶ server ─▶ worker
    real          a small file   has       forked; environment, folder, arguments, standard streams and
                  that stands    imported  exit code are those of the warm python, which passes signals on
                  for python

The composer is told that its Python is the small file. `-m` of a module in HEAVY is done by a fork of the server, all
else by the real Python. One server serves all of a test session; it ends when the session does. Tests about
processes themselves (kills, process trees) use the real command alone.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = ("grpo_cli.training.worker", "accelerate.commands.launch", "grpo_cli.sweep.template")
PRELOADED = ("grpo_cli.training.run", "grpo_cli.jobs.job", "accelerate.commands.launch", "torch.distributed.run")
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

# What stands for python; what it imports costs milliseconds.
STAND_IN = """#!{python} -ISB
import os, sys
arguments = sys.argv[1:]
if arguments[:2] == ["-m", "grpo_cli.sweep.job_process"]:
    os.execv({python!r}, [{python!r}, "-c", {as_job!r}, {stand_in!r}, *arguments[2:]])
if len(arguments) < 2 or arguments[0] != "-m" or arguments[1] not in {heavy!r}:
    os.execv({python!r}, [{python!r}, *arguments])
import json, signal, socket
sock = socket.socket(socket.AF_UNIX)
sock.connect({address!r})
request = json.dumps({{"arguments": arguments[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}).encode()
more = [int(arguments[2])] if arguments[1].endswith("template") else []  # its socket
socket.send_fds(sock, [len(request).to_bytes(4, "big")], [0, 1, 2, *more])
sock.sendall(request)
worker = int.from_bytes(sock.recv(4), "big")
for number in {signals!r}:
    signal.signal(number, lambda number, frame: os.kill(worker, number))
code = int.from_bytes(sock.recv(4), "big", signed=True)
if code < 0:
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
# Starts grpo-train as `python -m` does, but for what it takes for its Python.
_AS_COMMAND = "import runpy, sys; sys.executable = sys.argv.pop(1); sys.path.insert(0, ''); "
_AS_COMMAND += "runpy.run_module('grpo_cli.commands.train', run_name='__main__', alter_sys=True)"
# And a job of a sweep that runs its jobs side by side.
_AS_JOB = _AS_COMMAND.replace("sys.path.insert(0, ''); ", "").replace("commands.train", "sweep.job_process")


def command(stand_in: Path) -> list[str]:
    """What `python -m grpo_cli.commands.train` is to be replaced by."""
    return [sys.executable, "-c", _AS_COMMAND, str(stand_in)]


def serve(folder: Path, session: int) -> None:
    """Fork workers for whoever asks, for as long as the process `session` lives; gives exit codes back.

    Args:
        folder: where the stand-in for python is written, once workers can be had.
        session: a process id.
    """
    base = list(sys.path)
    sys.path.insert(0, str(REPOSITORY))
    for name in PRELOADED:
        __import__(name)
    gc.collect()
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.listen(16)
    stand_in = folder / "python"
    text = STAND_IN.format(
        python=sys.executable,
        as_job=_AS_JOB,
        stand_in=str(stand_in),
        heavy=HEAVY,
        address=str(folder / "socket"),
        signals=tuple(map(int, PASSED_ON)),
    )
    stand_in.with_suffix(".part").write_text(text, encoding="utf-8")
    stand_in.with_suffix(".part").chmod(0o755)
    stand_in.with_suffix(".part").rename(stand_in)
    workers: dict[int, socket.socket] = {}
    while _lives(session) or workers:
        ready = select.select([listening, *workers.values()], [], [], 0.02 if workers else 0.5)[0]
        for pid, asked_by in list(workers.items()):
            if asked_by in ready:  # it has been killed
                os.kill(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError):
                    asked_by.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
                workers.pop(pid).close()
        if listening in ready:
            sock, _ = listening.accept()
            size, streams, _, _ = socket.recv_fds(sock, 4, 4)
            request = b""
            while len(request) < int.from_bytes(size, "big"):
                request += sock.recv(1 << 16)
            pid = os.fork()
            if pid == 0:
                for other in (listening, sock, *workers.values()):
                    other.close()
                _work(json.loads(request), streams, base, stand_in)
            sock.sendall(pid.to_bytes(4, "big"))
            workers[pid] = sock
            for stream in streams:
                os.close(stream)


def _work(request: dict, streams: list[int], base: list[str], stand_in: Path) -> None:
    """Become the worker that was asked for; never returns."""
    code = 1
    try:
        os.setsid()
        for number, stream in enumerate(streams[:3]):
            os.dup2(stream, number)
            os.close(stream)
        if streams[3:]:
            request["arguments"][1] = str(streams[3])
        sys.stdout.reconfigure(line_buffering=True)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        safe = "PYTHONSAFEPATH" in os.environ
        paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        # Each once, as Python does it: `base` holds the package too where it is installed from this checkout.
        sys.path[:] = dict.fromkeys([*([] if safe else [str(Path.cwd())]), *paths, *base])
        sys.argv = list(request["arguments"])
        import torch

        # Read from the environment when torch is loaded.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
        if request["arguments"][0] != "grpo_cli.training.worker":
            sys.executable = str(stand_in)  # what starts ranks starts them warm too
        runpy.run_module(request["arguments"][0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        import atexit
        import threading

        with contextlib.suppress(BaseException):
            threading._shutdown()
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(code & 0xFF)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def start(folder: Path, session: int, environment: dict[str, str]) -> Path:
    """The stand-in for python in this folder; its server is started where there is none.

    Args:
        folder: one for all processes of the test session.
        session: the process that ends last of them.
        environment: the server's.
    """
    stand_in = folder / "python"
    try:
        folder.mkdir()
    except FileExistsError:
        pass
    else:
        log = (folder / "log").open("w")
        subprocess.Popen(
            [sys.executable, "-P", __file__, str(folder), str(session)],
            env={**{k: v for k, v in environment.items() if k != "PYTHONPATH"}, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + 180
    while not stand_in.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no warm python: {(folder / 'log').read_text()}")
        time.sleep(0.05)
    return stand_in


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
