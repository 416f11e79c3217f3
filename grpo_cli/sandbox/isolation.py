"""Which protections this machine can put in force: found by putting them in force, once per process."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.sandbox.program import Program, remove_stale_folders
from grpo_cli.sandbox.settings import Isolation, Limits

# What each protection does, in the order in which they are told.
PROTECTIONS = {
    "root": "a root folder of its own: Python and system libraries read-only, an empty /tmp, no home, no /proc",
    "landlock": "Landlock: files outside of these can neither be opened nor listed",
    "processes": "a process namespace of its own: other processes are out of sight, and all ends with the program",
    "network": "a network namespace of its own, without any interface",
    "ipc": "an IPC namespace of its own: no shared memory with others",
    "hostname": "a host name of its own",
    "user": "a user id that owns nothing, or a user namespace, outside of which it has no rights",
    "privileges": "no capabilities, and no way to gain any",
    "seccomp": "a filter of system calls: no sockets, no tracing, no mounts, no new namespaces",
    "limits": "limits on processor time, memory, processes, open files, file size and output",
}


def protections() -> dict[str, bool]:
    """The protections that programs run under on this machine.

    Returns:
        For each name of `PROTECTIONS`, whether it is in force.

    Example:
        >>> list(protections())[:2]
        ['root', 'landlock']
    """
    held = find_isolation().held
    return {name: name in held for name in PROTECTIONS}


def describe() -> str:
    """One line for a log: what is in force, and what is not.

    Example:
        >>> describe().startswith("Sandbox: ")
        True
    """
    found = protections()
    have = ", ".join(name for name, held in found.items() if held) or "nothing"
    lack = ", ".join(name for name, held in found.items() if not held)
    return f"Sandbox: in force are {have}" + (f"; not available here: {lack}." if lack else ".")


def how(isolation: Isolation) -> str:
    """What makes the isolation, as the end of a sentence.

    Example:
        >>> how(Isolation(bubblewrap="/usr/bin/bwrap"))
        'in namespaces that /usr/bin/bwrap makes'
    """
    if isolation.bubblewrap:
        return f"in namespaces that {isolation.bubblewrap} makes"
    if not {"root", "processes"} & set(isolation.held):
        return "without namespaces"
    return "in namespaces that root makes" if isolation.as_root else "in namespaces of this user"


def missing_isolation() -> list[str]:
    """What programs could do here that they must not; empty where the isolation is real."""
    have = {name for name, held in protections().items() if held}
    problems = []
    # Landlock alone leaves changing modes and owners, which seccomp refuses.
    if not ("root" in have or {"landlock", "seccomp"} <= have):
        problems.append("read and change this machine's files")
    if not have & {"network", "seccomp"}:
        problems.append("use the network")
    if not have & {"processes", "seccomp"}:
        problems.append("reach other processes and outlive their time")
    if "limits" not in have:
        problems.append("use memory without limit")
    return problems


def require_isolation(allow_unsafe: bool = False) -> Isolation:
    """The isolation to run programs under.

    Args:
        allow_unsafe: go on where it has holes.

    Returns:
        What `Program` takes.

    Raises:
        ConfigError: the isolation has holes, and `allow_unsafe` is false.
    """
    if not allow_unsafe and (problems := missing_isolation()):
        raise ConfigError(
            f"No sandbox for code can be had on this machine ({describe()[9:-1]}): a program could "
            f"{', '.join(problems)}. Allow user namespaces, install bubblewrap, run on Linux 5.13 or newer, or write "
            "allow_unsafe: true beside the reward if the machine holds nothing of worth."
        )
    return find_isolation()


@functools.cache
def find_isolation() -> Isolation:
    """Try the ways there are, best first, and take the first without holes, else the one with most protections."""
    if sys.platform != "linux":
        raise ConfigError(f"Programs are run in a sandbox on Linux only, and this is {platform.system()}.")
    remove_stale_folders()
    best = Isolation()
    for way in _ways():
        found = _try_out(way)
        if found and len(found.held) > len(best.held):
            best = found
        if found and {"root", "processes", "network"} <= set(found.held):
            return found
    return best


def _ways() -> Iterator[Isolation]:
    if os.geteuid() == 0:
        yield Isolation(as_root=True)
        yield Isolation(as_root=False, drop_user=False)
    else:
        yield Isolation(as_root=False)
    if bubblewrap := shutil.which("bwrap"):
        yield Isolation(as_root=False, bubblewrap=bubblewrap)


def _try_out(way: Isolation) -> Isolation | None:
    """Run a small program that way, and see what was in force."""
    try:
        with Program("print(6 * 7)", limits=Limits(), isolation=way, strict=False) as program:
            outcome = program.finish()
    except (RunError, OSError):
        return None
    if (outcome.code, outcome.stdout) != (0, b"42\n"):
        return None
    return replace(way, held=tuple(program.held))
