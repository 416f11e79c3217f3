"""What a worker process does: one job after another, each answered the moment it is done."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import resource
import signal
import socket
import sys
import time
import traceback
from collections import deque
from types import SimpleNamespace
from typing import Any

from grpo_cli.errors import RunError
from grpo_cli.rewards.guard.channel import Channel
from grpo_cli.rewards.reward import Reward
from grpo_cli.rewards.values import RewardFailure

GIB = 1024**3
_TRACE = 4000  # characters kept of a traceback
_MEMORY = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
_REPORT_BYTES = 1 << 26  # beyond the cap, for saying that it was reached


def limit(memory_gb: float | None) -> None:
    """Cap what this process may take; RLIMIT_DATA counts what it really writes to, and not what it maps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_gb:
        size = int(memory_gb * GIB)
        resource.setrlimit(_MEMORY, (size, size + _REPORT_BYTES))


def serve(sock: socket.socket, rewards: dict[int, Reward]) -> None:
    """Do jobs until the other end closes.

    Messages in: ("work", reward's number, trainer's state, [(job's number, count, pickled job), …]) and
    ("drop", numbers): do not begin those. Out: ("dropped", numbers) for a drop; for each job (number, seconds,
    values, what was logged) or (number, seconds, None, (kind, what, index, own sentence?, traceback)).
    """
    me = os.getpid()
    faulthandler.enable()  # a segfault says in the log where it happened
    channel = Channel(sock)
    channel.send(("hello", me))
    queue: deque[tuple[int, int, dict[str, Any], int, bytes]] = deque()
    while True:
        while not queue or channel.waiting():
            try:
                message = channel.receive()
            except (EOFError, OSError):
                return
            if message[0] == "work":
                _, reward, state, jobs = message
                queue.extend((reward, number, state, count, data) for number, count, data in jobs)
            else:
                dropped = [item[1] for item in queue if item[1] in message[1]]
                queue = deque(item for item in queue if item[1] not in message[1])
                channel.send(("dropped", dropped))
        reward, number, state, count, data = queue.popleft()
        answer, failed = _do(rewards[reward], state, count, data)
        if os.getpid() != me:  # the reward forked, and this is its child on the way out
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm that the reward left behind would hit the next job
        channel.send((number, *answer))
        if failed == "memory":  # a heap that was full once is no place for the next one
            return


def _do(reward: Reward, state: dict[str, Any], count: int, data: bytes) -> tuple[tuple[Any, ...], str]:
    """One job: (seconds, values, logged) or (seconds, None, failure), and the kind of failure."""
    logged: list[tuple[Any, ...]] = []
    started = time.perf_counter()
    try:
        given = {
            "trainer_state": SimpleNamespace(**state) if state else None,
            "log_extra": lambda column, values: logged.append(("log_extra", str(column), _plain(values))),
            "log_metric": lambda name, value: logged.append(("log_metric", str(name), float(value))),
        }
        values = reward.run(pickle.loads(data), count, reward.trainer_arguments(given))
        return (time.perf_counter() - started, values, logged), ""
    except MemoryError as error:
        return _out_of_memory(started, error)
    except RewardFailure as error:
        if isinstance(error.__cause__, MemoryError):
            return _out_of_memory(started, error.__cause__)
        return _failed(started, error, error.kind, error.what, error.index)
    except RunError as error:
        return _failed(started, error, "error", str(error), own=True)
    except BaseException as error:  # KeyboardInterrupt, GeneratorExit, whatever the code makes up
        return _failed(started, error, "error", f"failed with {type(error).__name__}: {str(error)[:200]}")


def _out_of_memory(started: float, error: BaseException) -> tuple[tuple[Any, ...], str]:
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(_MEMORY)[1]
        resource.setrlimit(_MEMORY, (hard, hard))
    traceback.clear_frames(error.__traceback__)  # they hold what filled it
    return _failed(started, error, "died", "needed more memory than guard.memory_gb allows")


def _failed(
    started: float, error: BaseException, kind: str, what: str, index: int | None = None, own: bool = False
) -> tuple[tuple[Any, ...], str]:
    trace = ""
    with contextlib.suppress(Exception):
        trace = "".join(traceback.format_exception(error.__cause__ or error, limit=-8))[-_TRACE:]
    failure = (kind, what, index, own, trace)
    return (time.perf_counter() - started, None, failure), "memory" if kind == "died" else ""


def _plain(values: Any) -> list[Any]:
    """What a reward logs for each completion, as it can cross to the trainer."""
    return [v if isinstance(v, str | int | float | bool | None) else str(v) for v in values]
