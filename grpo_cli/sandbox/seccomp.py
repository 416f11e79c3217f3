"""A filter of system calls: no sockets, no tracing, no mounts, no new namespaces, and, where asked, no processes.

A list of what is refused, on top of namespaces or Landlock, not instead of them. Standard library only; runs inside
the launcher. Programs get EPERM for a refused call and go on. Linux on x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from grpo_cli.sandbox import linux

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 0, "aarch64": 1}

# name: (number on x86_64, number on aarch64).
_ALWAYS: dict[str, tuple[int, int]] = {
    "socket": (41, 198),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fspick": (433, 433),
    "open_tree_attr": (467, 467),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "personality": (135, 92),
    # Memory that no limit of the process counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # And that of others.
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_unlink": (241, 181),
}
# Where the program shares the machine's process numbers: reaching other processes.
_REACHING_OTHERS: dict[str, tuple[int, int]] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "process_madvise": (440, 440),
}
# Where the program sees the machine's files: changes that Landlock does not cover.
_CHANGING_FILES: dict[str, tuple[int, int]] = {
    "chmod": (90, 53),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, 54),
    "fchown": (93, 55),
    "lchown": (94, 54),
    "fchownat": (260, 54),
    "truncate": (76, 45),
    "utime": (132, 88),
    "utimes": (235, 88),
    "futimesat": (261, 88),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "openat2": (437, 437),
}
_FORKS: dict[str, tuple[int, int]] = {"fork": (57, 220), "vfork": (58, 220)}
_CLONE, _CLONE3, _PRLIMIT = (56, 220), 435, (302, 261)
_FCNTL, _IOCTL = (72, 25), (16, 29)
# open and openat, each with the place of its flags; aarch64 has no open.
_OPENS = (((2, 1), (257, 2)), ((56, 2),))
_CLONE_THREAD = 0x10000
# Having a signal of one's choice sent to any process when a file becomes ready.
_SET_OWNER_OR_SIGNAL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
_SET_OWNER = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
_WRITING, _TRUNCATING = 0b11, 0x200  # of open's flags
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
_X32_BIT = 0x40000000

_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x50000
_NUMBER, _ARCH, _ARGUMENT0 = 0, 4, 16
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def supported() -> bool:
    """Whether this machine's calls are known here."""
    return os.uname().machine in _AUDIT_ARCH


def program(machine: str, *, processes: bool, shared_processes: bool, shared_files: bool) -> bytes:
    """The filter, as the kernel takes it.

    Args:
        machine: x86_64 or aarch64.
        processes: whether the program may start processes (threads it always may).
        shared_processes: whether it has no process namespace of its own, so that other processes are in reach.
        shared_files: whether it has no root of its own, so that the machine's files are in reach.

    Returns:
        The instructions, 8 bytes each.
    """
    column = _COLUMN[machine]
    refused = dict(_ALWAYS)
    if shared_processes:
        refused.update(_REACHING_OTHERS)
    if shared_files:
        refused.update(_CHANGING_FILES)
    clone = _CLONE[column]
    if not processes:
        refused.update(_FORKS)
    numbers = sorted({row[column] for row in refused.values()} - {clone})
    refuse, allow = (_RET, 0, 0, _ERRNO | errno.EPERM), (_RET, 0, 0, _ALLOW)
    steps = [
        (_LD, 0, 0, _ARCH),
        (_JEQ, 1, 0, _AUDIT_ARCH[machine]),
        (_RET, 0, 0, _KILL),
        (_LD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [(_JGE, 0, 1, _X32_BIT), refuse]
    for number in numbers:
        steps += [(_JEQ, 0, 1, number), refuse]
    # Its flags stand in memory, out of a filter's sight; libc then falls back to clone.
    steps += [(_JEQ, 0, 1, _CLONE3), (_RET, 0, 0, _ERRNO | errno.ENOSYS)]
    inspect = [(_LD, 0, 0, _ARGUMENT0), (_JSET, 0, 1, _NEW_NAMESPACES), refuse]
    if not processes:
        inspect += [(_JSET, 1, 0, _CLONE_THREAD), refuse]
    inspect += [allow]
    steps += [(_JEQ, 0, len(inspect), clone), *inspect]
    if shared_processes:
        for number, values in ((_FCNTL[column], _SET_OWNER_OR_SIGNAL), (_IOCTL[column], _SET_OWNER)):
            check = [(_LD, 0, 0, _ARGUMENT0 + 8)]
            for value in values:
                check += [(_JEQ, 0, 1, value), refuse]
            steps += [(_JEQ, 0, len(check) + 1, number), *check, allow]
    if shared_files:
        # Old versions of Landlock let a file that may be read be opened for reading and emptied by that.
        for number, flags in _OPENS[column]:
            check = [(_LD, 0, 0, _ARGUMENT0 + 8 * flags), (_JSET, 0, 2, _TRUNCATING), (_JSET, 1, 0, _WRITING), refuse]
            steps += [(_JEQ, 0, len(check) + 1, number), *check, allow]
    # Limits of another process, by number, are none of its business.
    steps += [(_JEQ, 0, 3, _PRLIMIT[column]), (_LD, 0, 0, _ARGUMENT0), (_JEQ, 1, 0, 0), refuse, allow]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


_made: dict[tuple[bool, bool, bool], bytes] = {}


def filtering(*, processes: bool, shared_processes: bool, shared_files: bool) -> bytes:
    """`program` for this machine; put together once, and so best before launchers are forked."""
    asked = (processes, shared_processes, shared_files)
    if asked not in _made:
        _made[asked] = program(
            os.uname().machine, processes=processes, shared_processes=shared_processes, shared_files=shared_files
        )
    return _made[asked]


def prepare() -> None:
    """Put together the filters that programs get, so that each launcher need not."""
    for processes in (True, False):
        for shared in (True, False) if supported() else ():
            filtering(processes=processes, shared_processes=shared, shared_files=shared)


def install(instructions: bytes) -> None:
    """Put a filter in force for this process and what it starts, for good.

    Raises:
        OSError: the kernel has no seccomp.
    """
    held = ctypes.create_string_buffer(instructions, len(instructions))
    # struct sock_fprog: u16 length, padding, pointer.
    header = struct.pack("H6xQ", len(instructions) // 8, ctypes.addressof(held))
    linux.no_new_privileges()
    linux.call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header), 0, 0)
