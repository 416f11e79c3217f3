"""What to tell the user when a file cannot be written: a full disk, a quota, a limit, a missing permission."""

from __future__ import annotations

import errno
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpo_cli.errors import RunError

_AGAIN = "then start the same command again: it goes on from the last complete checkpoint"
_SENTENCES = {
    errno.ENOSPC: f"no space is left on its disk; free some, {_AGAIN}",
    errno.EDQUOT: f"the disk quota is used up; free some, {_AGAIN}",
    errno.EFBIG: f"a limit on file sizes is reached (ulimit -f); raise it, {_AGAIN}",
    errno.EROFS: "its disk is mounted read-only; write paths.output_dir=<a folder you may write to>",
    errno.EACCES: "permission denied; write paths.output_dir=<a folder you may write to>",
    errno.EPERM: "permission denied; write paths.output_dir=<a folder you may write to>",
    errno.EIO: "its disk reports an input/output error",
}
_PERMISSIONS = {errno.EACCES, errno.EPERM, errno.EIO}
# torch's archive writer says no more than that a write failed.
_TORCH_WRITER = re.compile(r"PytorchStreamWriter failed|inline_container")
FULL_BELOW = 64 * 1024


def write_problem(error: BaseException, path: Path) -> str | None:
    """A sentence on what could not be written and why, or None where the error is about something else.

    Args:
        error: what was raised; its causes are looked at too, and safetensors' text with the number in it.
        path: the folder that is being written; "permission denied" elsewhere is another matter.
    """
    seen: BaseException | None = error
    while seen is not None:
        filename = str(getattr(seen, "filename", None) or "")
        number = seen.errno if isinstance(seen, OSError) else None
        if number is None and (found := re.search(r"\(os error (\d+)\)", str(seen))):
            number = int(found[1])
        if number in _PERMISSIONS and not filename.startswith(str(path)):
            number = None
        if number in _SENTENCES:
            what = filename or (str(path) if number != errno.ENOSPC or is_full(path) else "A file")
            return f"{what} could not be written: {_SENTENCES[number]}."
        if isinstance(seen, RuntimeError) and _TORCH_WRITER.search(str(seen)):
            return f"{path} could not be written: {_unsaid(path)}."
        seen = seen.__cause__ or seen.__context__
    return None


def _unsaid(path: Path) -> str:
    """Why a write failed, where the error does not say it."""
    if is_full(path):
        return _SENTENCES[errno.ENOSPC]
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return _SENTENCES[errno.EFBIG]
    return f"its disk is full or limited; make room, {_AGAIN}"


def is_full(path: Path) -> bool:
    """Whether the disk under a path, which need not exist, has no room left."""
    there = next(p for p in (path, *path.parents) if p.exists())
    return shutil.disk_usage(there).free < FULL_BELOW


@contextmanager
def saving(directory: Path) -> Iterator[None]:
    """Save a folder of files; where the disk does not take it, remove the part and say why.

    The part is of no use, and its room is needed for the account of what happened.

    Args:
        directory: what is being saved.

    Raises:
        RunError: it could not be written.
    """
    try:
        yield
    except Exception as error:
        problem = write_problem(error, directory)
        if problem is None:
            raise
        shutil.rmtree(directory, ignore_errors=True)
        raise RunError(problem) from error
