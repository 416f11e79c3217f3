"""What a program is given, how it is kept, and how it ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        cpu_seconds: processor time of each process.
        wall_seconds: time on the clock.
        memory_mb: address space of each process.
        processes: processes at once; 1: it may start none (and up to 15 threads).
        output_kb: what it may print.
        files_mb: size of its folder `/tmp`, and of each file in it.
    """

    cpu_seconds: int = 5
    wall_seconds: float = 10.0
    memory_mb: int = 512
    processes: int = 1
    output_kb: int = 1024
    files_mb: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")


@dataclass(frozen=True)
class Isolation:
    """How programs are isolated on this machine, as a probe found it.

    Attributes:
        held: the protections in force.
        as_root: whether namespaces are made with root's power rather than through a user namespace.
        drop_user: whether root gives up its user id for one that owns nothing.
        namespaces: whether namespaces are made at all.
        bubblewrap: path of `bwrap` where that makes them.
    """

    held: tuple[str, ...] = ()
    as_root: bool = True
    drop_user: bool = True
    namespaces: bool = True
    bubblewrap: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        ended: by itself (`exit`), by running out of time (`time`), or by printing too much (`output`).
        code: its exit code; 128 + n after signal n; None where we ended it.
        stdout: what it printed.
        seconds: time on the clock.
    """

    ended: Literal["exit", "time", "output"]
    code: int | None
    stdout: bytes
    seconds: float
