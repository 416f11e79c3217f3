"""How many jobs of a multirun the machine's memory carries at once, from the forecast of each job.

GPUs are no part of it: each slot has its own, and the forecast for one GPU is the same however many jobs run. What
jobs share is the machine's memory: all of it for jobs on the CPU, the processes themselves and what is offloaded for
jobs on GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from grpo_cli.errors import ConfigError
from grpo_cli.forecast.memory import forecast
from grpo_cli.forecast.setup import setup_of

if TYPE_CHECKING:
    from grpo_cli.preflight.situation import Situation

MIB, GIB = 2**20, 2**30
# grpo-train itself, the process that watches the workers, the reward guard's: together 60 MiB of their own, measured.
BESIDE_WORKERS = 64 * MIB
# A worker that computes on a GPU: interpreter, libraries, CUDA's part on the machine's side.
GPU_WORKER = 1536 * MIB


def host_need(situation: Situation) -> float | None:
    """The machine's memory that a job takes at its peak, all its processes together.

    Args:
        situation: its configuration on the machine.

    Returns:
        Bytes; None where there is no forecast (a model that is not on this machine, sizes or a launch that is
        refused).
    """
    if situation.refused:
        return None
    setup = setup_of(situation)
    if setup is None:
        return None
    needed = forecast(setup)
    each = needed.peak if situation.on_cpu else GPU_WORKER + needed.host
    return BESIDE_WORKERS + each * situation.world_size


def together(needs: Sequence[float], count: int) -> float:
    """What so many jobs take at once in the worst case: the largest ones meet.

    Args:
        needs: bytes of each job.
        count: how many run at once.

    Example:
        >>> together([1, 8, 2], 2)
        10
    """
    return sum(sorted(needs, reverse=True)[:count])


def most_at_once(needs: Sequence[float], limit: float, count: int) -> int:
    """How many jobs fit at once, whichever they are.

    Args:
        needs: bytes of each job.
        limit: bytes there are.
        count: no more than these.

    Returns:
        From 1, since a job alone is not refused for a forecast, to `count`.

    Example:
        >>> most_at_once([1, 8, 2], 10, 3)
        2
    """
    return next((n for n in range(count, 1, -1) if together(needs, n) <= limit), 1)


def pack(needs: Mapping[int, float], limit: float, count: int, asked: bool) -> tuple[int, str | None]:
    """Decide how many of the slots are used.

    Args:
        needs: bytes of each job there is a forecast for, by its number.
        limit: bytes of the machine's memory that can be had.
        count: slots planned by GPUs or cores.
        asked: whether `launch.slots` gives that number, rather than auto.

    Returns:
        The number of slots, and one sentence where it is less than planned.

    Raises:
        ConfigError: the number asked for does not fit.
    """
    sizes = list(needs.values())
    most = most_at_once(sizes, limit, count)
    if most == count:
        return count, None
    largest = max(needs, key=needs.__getitem__)
    facts = (
        f"{min(count, len(sizes))} jobs at once are forecast to take {together(sizes, count) / GIB:.1f} GiB (job "
        f"{largest} {needs[largest] / GIB:.1f} GiB), and {limit / GIB:.1f} GiB of this machine's memory are available"
    )
    if asked:
        raise ConfigError(f"launch.slots={count}: {facts}; write launch.slots={most} or launch.slots=auto.")
    return most, f"launch.slots=auto: {most} slot{'s' * (most > 1)} instead of {count}: {facts}."


def too_large(need: float, share: float, count: int) -> str:
    """Refuse a job that was thought up while others run, in one sentence.

    Args:
        need: bytes that it is forecast to take.
        share: bytes that a job may take.
        count: how many run at once.
    """
    most = max(1, int(share * count // need))
    return (
        f"The job is forecast to take {need / GIB:.1f} GiB of this machine's memory, and with launch.slots={count} "
        f"each may take {share / GIB:.1f} GiB; write launch.slots={most}."
    )
