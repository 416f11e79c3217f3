"""What of the machine's files a program gets to see: Python's own library and the system's shared libraries."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

_SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
)


@functools.cache
def python() -> str:
    """The interpreter that programs run under: the one this package runs under, outside of any virtual environment."""
    return str(Path(getattr(sys, "_base_executable", None) or sys.executable).resolve())


@functools.cache
def shown() -> tuple[str, ...]:
    """Files and folders to be shown read-only; none inside another."""
    prefix = [f"{base}/lib" for base in {sys.base_prefix, sys.base_exec_prefix}]
    store = ["/nix/store"] if python().startswith("/nix/store/") else []
    paths = sorted(path for path in {*_SYSTEM, *prefix, *store, python()} if Path(path).exists())
    kept: list[str] = []
    for path in paths:
        if not any(path.startswith(other + "/") for other in kept):
            kept.append(path)
    return tuple(kept)


@functools.cache
def hidden() -> tuple[str, ...]:
    """Folders of installed packages inside what is shown: a package may hold the very tests, or its author's keys."""
    found: set[str] = set()
    for path in shown():
        if Path(path).is_dir() and not Path(path).is_symlink():
            found.update(str(one) for one in Path(path).glob("python3*/*-packages") if not one.is_symlink())
    return tuple(sorted(found))
