"""A root folder of the program's own: only Python, the system's libraries and an empty `/tmp`.

Runs inside the launcher, in a mount namespace of its own; standard library only, and no pathlib, which
would cost the launcher 5 ms.
"""
# ruff: noqa: PTH103, PTH112, PTH114, PTH115, PTH120, PTH208, PTH211

from __future__ import annotations

import os

from grpo_cli.sandbox import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Where the new root is put together; any folder does that holds nothing we still need.
_BASES = ("/tmp", "/mnt", "/media", "/srv", "/run")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")


def enter_private_root(shown: Sequence[str], hidden: Sequence[str], megabytes: int, writable: bool) -> None:
    """Make a new root and enter it; the old one is gone from view.

    Args:
        shown: files and folders that stay, read-only, at the same place; none inside another.
        hidden: folders inside them that become empty.
        megabytes: size of `/tmp`, the only place that can be written.
        writable: whether even that can.

    Raises:
        OSError: the machine does not allow it; the mounts made so far are undone.
    """
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    needed = (*shown, *_DEVICES)
    base = next((b for b in _BASES if os.path.isdir(b) and not any(_inside(path, b) for path in needed)), None)
    if base is None:
        raise OSError("no folder to put the new root together in")
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmpfs", base, "tmpfs", flags, "size=1m,nr_inodes=4096,mode=755")
    try:
        for path in shown:
            _show(path, base + path, devices=False)
        for path in _DEVICES:
            _show(path, base + path, devices=True)
        for path in hidden:
            linux.mount("tmpfs", base + path, "tmpfs", flags, "size=4k,mode=755")
            linux.make_read_only(base + path)
        os.makedirs(base + "/tmp", exist_ok=True)
        linux.mount(
            "tmpfs", base + "/tmp", "tmpfs", flags | linux.MS_NOEXEC, f"size={megabytes}m,nr_inodes=1024,mode=1777"
        )
        if not writable:
            linux.make_read_only(base + "/tmp")
        linux.make_read_only(base, recursive=False)
        linux.pivot_root(base)
    except OSError:
        linux.unmount(base)
        raise
    os.chdir("/tmp")


def _show(path: str, target: str, *, devices: bool) -> None:
    """Make `path` visible at `target`, read-only."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    linux.mount(path, target, None, linux.MS_BIND | linux.MS_REC)
    linux.make_read_only(target, devices=devices)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _in_any(path: str, folders: Sequence[str]) -> bool:
    return any(_inside(path, folder) for folder in folders)


def readable_without(shown: Sequence[str], hidden: Sequence[str]) -> tuple[list[str], list[str]]:
    """The same choice for Landlock, which can only add rights: name everything but the hidden folders.

    Args:
        shown: files and folders to be read.
        hidden: folders inside them not to be read.

    Returns:
        What may be read whole, and the folders on the way to it, whose names may be listed.
    """
    whole: list[str] = []
    listed: list[str] = []
    waiting = [real for path in shown if (real := os.path.realpath(path)) == path or not _in_any(real, shown)]
    while waiting:
        path = waiting.pop()
        # A rule for a link is one for what it leads to.
        if path in hidden or os.path.islink(path):
            continue
        if any(_inside(one, path) for one in hidden):
            listed.append(path)
            waiting += [f"{path}/{name}" for name in os.listdir(path)]
        else:
            whole.append(path)
    return whole, listed
