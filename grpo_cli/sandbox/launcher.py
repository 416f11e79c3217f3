"""The process between us and a program: it builds the sandbox around itself, then forks the program.

    template ─▶ launcher ─▶ init (first process of the namespaces) ─▶ the program
    one for     waits       reaps; when it ends, the kernel          own user id, no privileges,
    a spawner               kills all that is left inside            limits, Landlock, seccomp

Each dies with the one to its left, and the launcher also with the spawner, so a spawner that is killed leaves nothing
running. Each protection is tried and the ones that hold are reported before the program starts; where one that was
asked for does not hold, the program does not start. Standard library only, and no json, typing, contextlib or
pathlib: within bubblewrap this is imported anew for each program.
"""
# ruff: noqa: PTH102, PTH123, SIM105

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import select
import signal

from grpo_cli.sandbox import landlock, linux, root, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FAILED_TO_START = 125
_NOBODY = 65534
# User ids that belong to nobody; each launcher takes its own, so sandboxes cannot reach each other.
_FIRST_OWN_USER = 0x70000000
_THREADS = 16
_FREE = 100  # descriptors from here on are nobody's

_NAMESPACES = (
    ("processes", linux.CLONE_NEWPID),
    ("network", linux.CLONE_NEWNET),
    ("ipc", linux.CLONE_NEWIPC),
    ("hostname", linux.CLONE_NEWUTS),
)


def launch(spec: dict[str, Any], descriptors: list[tuple[int, int]], control: int) -> None:
    """Build a sandbox and fork a program in it; returns in the program's process only.

    Args:
        spec: how, as `process.start` lays it out.
        descriptors: (an open descriptor, the number under which the program is to have it).
        control: a socket that keeps messages apart. Out goes, in marshal: what is in force, or what failed, before the
            program starts; its exit code when it has ended. When the other end closes, the program is ended.
    """
    try:
        code = _launch(spec, descriptors, control)
    except Exception as error:
        _report(control, {"error": f"{type(error).__name__}: {error}"})
        code = FAILED_TO_START
    if code is not None:
        _report(control, {"code": code})
        os._exit(0)


def _launch(spec: dict[str, Any], descriptors: list[tuple[int, int]], control: int) -> int | None:
    linux.die_with_parent()
    if os.getppid() != spec["parent"]:
        return FAILED_TO_START
    if spec["given"]:
        # Inside bubblewrap it shares the program's namespaces.
        linux.set_dumpable(False)
    os.umask(0o022)
    spec["launcher"] = os.getpid()
    held: list[str] = list(spec["given"])
    if spec["namespaces"]:
        _leave_namespaces(held, as_root=spec["as_root"])
    # Closed by our end: tells a child that was not yet tied to us.
    alive, lifeline = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        _stay_tied(alive)
        if "processes" in held and not spec["given"]:
            _be_init(alive)
        _become_program(spec, descriptors, control, held)
        return None
    # What the program's output and input hang on must be held by the program alone.
    _close_from(0, keep=(lifeline, control))
    code = _wait_for(child, control)
    if "processes" not in held:
        # Children it may have left in its group; none where seccomp forbids them.
        _quietly(os.killpg, child, signal.SIGKILL)
    return code


def _leave_namespaces(held: list[str], *, as_root: bool) -> None:
    """Take new namespaces: with the machine's root's power where we have it, else through a user namespace."""
    if not (as_root and _try(held, "mounts", linux.unshare, linux.CLONE_NEWNS)):
        user, group = os.geteuid(), os.getegid()
        if not _try(held, "user", linux.unshare, linux.CLONE_NEWUSER):
            return
        for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {user} 1"), ("gid_map", f"1000 {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        _try(held, "mounts", linux.unshare, linux.CLONE_NEWNS)
    for name, flag in _NAMESPACES:
        _try(held, name, linux.unshare, flag)
    linux.die_with_parent()


def _try(held: list[str], name: str, function: Callable[..., object], *arguments: object) -> bool:
    if _quietly(function, *arguments):
        held.append(name)
    return name in held


def _quietly(function: Callable[..., object], *arguments: object) -> bool:
    """Whether a call that may be forbidden was not."""
    try:
        function(*arguments)
    except OSError:
        return False
    return True


def _report(control: int, what: dict[str, Any]) -> None:
    try:
        os.write(control, marshal.dumps(what))
    except OSError:
        pass


def _stay_tied(alive: int) -> None:
    """Die with the parent, also when it has died already (its number cannot be seen from a new namespace)."""
    linux.die_with_parent()
    if select.select([alive], [], [], 0)[0]:
        os._exit(FAILED_TO_START)


def _be_init(alive: int) -> None:
    """The namespace's first process: fork the program, reap whatever ends, end with the program; returns in that."""
    try:
        linux.set_dumpable(False)
        os.close(alive)
        alive, lifeline = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(lifeline)
            _stay_tied(alive)
            return
        _close_from(0, keep=(lifeline,))
        while True:
            pid, result = os.waitpid(-1, 0)
            if pid == child:
                os._exit(_exit_code(result))
    except BaseException:
        os._exit(FAILED_TO_START)


def _wait_for(child: int, control: int) -> int:
    """Wait until the child ends; end it when the other end of the control socket closes."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    watched = [woken, control]
    while True:
        pid, result = os.waitpid(child, os.WNOHANG)
        if pid:
            return _exit_code(result)
        ready = select.select(watched, [], [])[0]
        if control in ready:
            watched = [woken]
            os.kill(child, signal.SIGKILL)
        if woken in ready:
            os.read(woken, 64)


def _exit_code(result: int) -> int:
    code = os.waitstatus_to_exitcode(result)
    return code if code >= 0 else 128 - code


def _become_program(spec: dict[str, Any], descriptors: list[tuple[int, int]], control: int, held: list[str]) -> None:
    """Put the last protections on, and report; where one is missing, this process ends."""
    try:
        parent = os.getppid()
        os.setsid()
        control = _place_descriptors(descriptors, control)
        _restrict(spec, held)
        # A new identity has cancelled it.
        linux.die_with_parent()
        if os.getppid() != parent:
            os._exit(FAILED_TO_START)
        missing = sorted(set(spec["required"]) - set(held))
        if missing:
            raise OSError("not in force: " + ", ".join(missing))
        _report(control, {"held": held})
        os.close(control)
    except BaseException as error:
        _report(control, {"error": f"{type(error).__name__}: {error}"})
        os._exit(FAILED_TO_START)


def _place_descriptors(descriptors: list[tuple[int, int]], control: int) -> int:
    """Give the program the files meant for it under their numbers, and close all others; returns the new control."""
    # Out of the way first, so that no number is overwritten while it is still needed.
    lifted = [(fcntl.fcntl(descriptor, fcntl.F_DUPFD, _FREE), number) for descriptor, number in descriptors]
    control = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, _FREE)
    for descriptor, number in lifted:
        os.dup2(descriptor, number)
    _close_from(0, keep=(*(number for _, number in lifted), control))
    return control


def _close_from(first: int, keep: tuple[int, ...]) -> None:
    start = first
    for descriptor in sorted({one for one in keep if one >= first}):
        if start < descriptor:  # an empty range from 0 would be taken for all
            os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 4096)


def _restrict(spec: dict[str, Any], held: list[str]) -> None:
    limits, shown, hidden = spec["limits"], spec["shown"], spec["hidden"]
    if "mounts" in held:
        held.remove("mounts")
        _try(held, "root", root.enter_private_root, shown, hidden, limits["files_mb"], not spec["judges"])
    elif "root" in held:
        os.chdir("/tmp")
    own_root = "root" in held
    if not own_root:
        os.mkdir(spec["folder"], 0o700)
        os.chdir(spec["folder"])
    if "hostname" in held:
        _quietly(linux.call, "sethostname", b"sandbox", 7)
    read, listed = (["/"], []) if own_root else root.readable_without(shown, hidden)
    devices = ["/dev/null", "/dev/zero", "/dev/urandom"]
    write = ["/dev/null"] if spec["judges"] else ["/tmp" if own_root else spec["folder"], "/dev/null"]
    # Of our own processes, those that count as the program's user: launcher and init, in a user namespace.
    ours = 2
    if os.geteuid() == 0 and "user" not in held and spec["drop_user"]:
        _become_nobody(spec, held)
        ours = 0
        spec["spawned_by_root"] = False
    own_processes = "processes" in held
    # The kernel counts no processes of root's, so a program that is still root to the machine may start none.
    may_fork = own_processes and not spec["spawned_by_root"]
    _limit(limits, held, ours)
    _quietly(linux.drop_capabilities)
    linux.no_new_privileges()
    held.append("privileges")
    _try(held, "landlock", landlock.restrict, [*read, *devices], write, listed)
    if seccomp.supported():
        instructions = seccomp.filtering(
            processes=spec["judges"] or (may_fork and limits["processes"] > 1),
            shared_processes=not (own_processes or spec["judges"]),
            shared_files=not own_root,
        )
        _try(held, "seccomp", seccomp.install, instructions)


def _become_nobody(spec: dict[str, Any], held: list[str]) -> None:
    """From the machine's root to a user that owns nothing; in a user namespace too, which counts its processes."""
    os.setgroups([])
    own = _FIRST_OWN_USER + spec["launcher"]
    for user in (own, _NOBODY):
        try:
            os.chown(spec["folder"], user, user) if "root" not in held else None
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        except OSError:
            continue
        held.append("user")
        _quietly(linux.unshare, linux.CLONE_NEWUSER)
        return


def _limit(limits: dict[str, int], held: list[str], ours: int) -> None:
    """Set the limits of each process."""
    megabyte = 1 << 20
    cpu = limits["cpu_seconds"]
    wanted = [
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, limits["memory_mb"] * megabyte, limits["memory_mb"] * megabyte),
        (resource.RLIMIT_FSIZE, limits["files_mb"] * megabyte, limits["files_mb"] * megabyte),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_STACK, 16 * megabyte, 16 * megabyte),
    ]
    if "user" in held:
        # Counted per user: without a user of its own, the limit would be about other programs.
        most = limits["processes"] if limits["processes"] > 1 else _THREADS
        wanted.append((resource.RLIMIT_NPROC, most + ours, most + ours))
    for kind, soft, hard in wanted:
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(kind, (soft, hard))
    held.append("limits")
