"""The process that workers are forked from: `python -m grpo_cli.rewards.guard.template <socket>`.

It imports the rewards once, so that a worker that had to be killed is replaced in milliseconds although its
modules take a second to import. It has one thread, no torch of the trainer's, no CUDA, and is no copy of the
trainer: forking it is safe where forking the trainer is not. It ends, and all workers with it, when the
trainer does, however that ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import sys
import time
import traceback
from typing import Any, NoReturn

from grpo_cli.errors import ConfigError
from grpo_cli.launch.prctl import adopt_orphans, die_with_parent
from grpo_cli.rewards.build import RewardContext, build_reward
from grpo_cli.rewards.guard import worker
from grpo_cli.rewards.guard.channel import Channel, frame
from grpo_cli.rewards.reward import Reward

# A command to the template: (what, number); "fork" comes with the worker's end of a socket.
COMMAND = struct.Struct("<4si")
FORK, REAP = b"fork", b"reap"
ALL = -1  # number of the lane that does every reward without a lane of its own


def main(fd: int) -> None:
    """Build the rewards as the first message says, then fork workers until the other end closes."""
    parent = os.getppid()
    die_with_parent()
    adopt_orphans()  # what a reward leaves running comes to us, to be ended
    sock = socket.socket(fileno=fd)
    channel = Channel(sock)
    setup = channel.receive()
    sys.path[:] = setup["path"]
    os.dup2(2, 1)  # what rewards print belongs to the log, whatever stdout is here
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with contextlib.suppress(OSError):
        os.nice(setup["nice"])
    try:
        rewards = {number: _build(job) for number, job in setup["rewards"].items() if number not in setup["lanes"]}
    except BaseException as error:
        problems = error.problems if isinstance(error, ConfigError) else [f"{type(error).__name__}: {error}"[:2000]]
        traceback.print_exc()
        channel.send(("failed", list(problems)))
        return
    gc.collect()
    gc.freeze()
    children: set[int] = set()

    def end(*_: Any) -> None:
        if os.getppid() == parent:
            return  # a scheduler sends SIGTERM to every process of a job, long before its end; the rank decides
        _end(children)
        os._exit(0)

    # From here on its own handler ends it, which takes along what rewards have left running.
    signal.signal(signal.SIGTERM, end)
    die_with_parent(signal.SIGTERM)
    channel.send(("ready",))
    seen = 0
    try:
        while os.getppid() == parent:
            if channel.waiting(0.1 if seen else 1.0):
                if not _obey(sock, setup, rewards, children):
                    return
                seen += 1
            elif seen:  # a moment of rest after having been busy
                _end_strays(children)
                seen = 0
    except (BrokenPipeError, ConnectionResetError):  # the trainer has gone
        pass
    finally:
        _end(children)


def _build(arguments: tuple[str, dict[str, Any], dict[str, Any]]) -> Reward:
    """Build one reward from its entry, and import what it will need."""
    name, entry, facts = arguments
    reward = build_reward(name, entry, RewardContext(**facts))
    try:
        reward.preload()
    except Exception:  # the call itself will say what is wrong
        traceback.print_exc()
    return reward


def _obey(sock: socket.socket, setup: dict[str, Any], rewards: dict[int, Reward], children: set[int]) -> bool:
    """Read and follow one command; False when the other end has gone."""
    data, fds, _, _ = socket.recv_fds(sock, COMMAND.size, 1)
    while data and len(data) < COMMAND.size:
        data += sock.recv(COMMAND.size - len(data))
    if not data:
        return False
    what, number = COMMAND.unpack(data)
    if what == FORK:
        pid = os.fork()
        if pid == 0:
            sock.close()
            _become_worker(fds[0], number, setup, rewards)
        children.add(pid)
        os.close(fds[0])
    else:
        status = _reap(number)
        children.discard(number)
        sock.sendall(frame(("ended", number, status)))
    return True


def _become_worker(fd: int, lane: int, setup: dict[str, Any], rewards: dict[int, Reward]) -> NoReturn:
    """In the child: never returns."""
    template = os.getppid()
    try:
        # Slurm's SIGTERM asks the run for a checkpoint, which needs the rewards of the step it is in. No SIG_IGN: the
        # programs a reward starts would inherit that.
        signal.signal(signal.SIGTERM, (lambda *_: None) if "SLURM_JOB_ID" in os.environ else signal.SIG_DFL)
        die_with_parent()
        if os.getppid() != template:
            os._exit(1)
        os.setsid()  # a group of its own: what it starts is killed with it
        worker.limit(setup["memory_gb"])
        sock = socket.socket(fileno=fd)
        if lane != ALL:  # state, models, CUDA: made in the one process that keeps them
            try:
                rewards = {lane: _build(setup["rewards"][lane])}
            except BaseException as error:
                traceback.print_exc()
                Channel(sock).send(("failed", [f"{type(error).__name__}: {error}"[:2000]]))
                os._exit(1)
        worker.serve(sock, rewards)
        os._exit(0)
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(1)


def _reap(pid: int) -> int | None:
    """How a worker ended. Until it is asked for, its pid stays its own, so nobody kills a stranger."""
    for attempt in range(100):
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0002 * attempt)
    return None


def _end_strays(children: set[int]) -> None:
    """Kill what is our child and no worker: processes that a reward started and that outlived its worker."""
    for pid in _own_children() - children:
        _kill(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _end(children: set[int]) -> None:
    for pid in children:
        _kill(pid)
    for _ in range(50):  # what a killed worker had started becomes ours now
        left = _own_children() if sys.platform == "linux" else set(children)
        for pid in left:
            _kill(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        if not left:
            return
        children = set()


def _own_children() -> set[int]:
    """Our children, by what /proc says (a child's status names its parent)."""
    me, found = os.getpid(), set()
    if sys.platform != "linux":
        return found
    for name in os.listdir("/proc"):  # noqa: PTH208  (pathlib would double the time)
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                text = stat.read()
                if int(text[text.rindex(b")") + 2 :].split()[1]) == me:
                    found.add(int(name))
    return found


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
