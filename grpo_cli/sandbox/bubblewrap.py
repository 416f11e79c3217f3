"""The command line of bubblewrap, which may make namespaces on machines where a process itself may not.

Ubuntu 24.04, for one, lets only programs with a profile of their own make user namespaces; `bwrap` has one.
"""

from __future__ import annotations

from collections.abc import Sequence

# What bubblewrap puts in force with the arguments below, under our names.
GIVES = ("user", "root", "processes", "network", "ipc", "hostname")
# Where the launcher finds this package inside; outside it may lie in a folder that is to be hidden.
PACKAGES_INSIDE = "/packages"
_OF_THE_LAUNCHER = ("__init__.py", "sandbox")


def bubblewrap_command(
    program: str,
    command: Sequence[str],
    *,
    shown: Sequence[str],
    hidden: Sequence[str],
    package: str,
    files_mb: int,
    writable: bool = True,
) -> list[str]:
    """Put a command into bubblewrap.

    Args:
        program: path of `bwrap`.
        command: what to run inside.
        shown: files and folders to be shown read-only.
        hidden: folders inside them that are to be empty.
        package: the folder of this package.
        files_mb: size of `/tmp`, in megabytes.
        writable: whether anything can be written there.

    Returns:
        The whole command line.

    Example:
        >>> bubblewrap_command("bwrap", ["python"], shown=["/usr/lib"], hidden=[], package="/g", files_mb=1)[-3:]
        ['/tmp', '--', 'python']
    """
    arguments = [program, "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "sandbox"]
    arguments += ["--uid", "1000", "--gid", "1000", "--dev", "/dev"]
    for path in shown:
        arguments += ["--ro-bind", path, path]
    for name in _OF_THE_LAUNCHER:
        arguments += ["--ro-bind", f"{package}/{name}", f"{PACKAGES_INSIDE}/grpo_cli/{name}"]
    for path in hidden:
        arguments += ["--tmpfs", path, "--remount-ro", path]
    arguments += ["--size", str(files_mb << 20), "--tmpfs", "/tmp"]
    arguments += [] if writable else ["--remount-ro", "/tmp"]
    arguments += ["--remount-ro", "/", "--chdir", "/tmp"]
    return [*arguments, "--", *command]
