"""File-system and network rules by Landlock: they need no privilege, so they work where mounts do not.

Standard library only; runs inside the launcher. Kernel 5.13 or newer (https://docs.kernel.org/userspace-api/landlock.html).
"""

from __future__ import annotations

import ctypes
import os

from grpo_cli.sandbox import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# Rights by version: 1 has 13, then rename across folders, truncate, (network), device ioctls.
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_SINCE, _NETWORK = 4, 0b11
_SCOPE_SINCE, _SCOPE = 6, 0b11
# What may be asked for a file (the rest is about folders): execute, write, read, truncate, ioctl.
_OF_A_FILE = 0b111 | 1 << 14 | 1 << 15


def version() -> int:
    """The version of Landlock that the kernel has; 0 for none."""
    try:
        return linux.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(read: Iterable[str], write: Iterable[str], list_names: Iterable[str] = ()) -> None:
    """Let this process, for good, open only what is named; no TCP, and no signals or abstract sockets out.

    What is not named can still be seen to exist (`os.stat`), but neither opened nor listed.

    Args:
        read: files and folders that may be read and executed.
        write: files and folders that may also be written.
        list_names: folders whose names, and those of what is in them, may be listed.

    Raises:
        OSError: the kernel has no Landlock, or it is off.
    """
    have = version()
    if not have:
        raise OSError("Landlock: not supported")
    handled = _RIGHTS[min(have, max(_RIGHTS))]
    rules = (ctypes.c_uint64 * 3)(
        handled, _NETWORK if have >= _NETWORK_SINCE else 0, _SCOPE if have >= _SCOPE_SINCE else 0
    )
    size = 24 if have >= _SCOPE_SINCE else 16 if have >= _NETWORK_SINCE else 8
    ruleset = linux.syscall(_CREATE_RULESET, rules, size, 0)
    try:
        for paths, access in ((read, _READ), (write, handled), (list_names, _READ_DIR)):
            for path in paths:
                _allow(ruleset, path, access)
        linux.no_new_privileges()
        linux.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib costs the launcher 5 ms
            access &= _OF_A_FILE
        # struct landlock_path_beneath_attr is packed: u64 access, s32 descriptor.
        rule = access.to_bytes(8, "little") + descriptor.to_bytes(4, "little")
        linux.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
