"""Write the report of runs: the file, and the quiet way in which a run writes its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic

MAX_MB = 200.0


def write_report(folders: Sequence[Path], path: Path | None = None, max_mb: float | None = MAX_MB) -> Path:
    """Write the report of one run, or the comparison of several.

    Args:
        folders: run folders, at least one.
        path: the file; `report.html` in the run folder, or for several in the working directory, by default.
        max_mb: most MB of completions that are taken in; None for all.

    Returns:
        Where it is.
    """
    from grpo_cli.report.browser import pack
    from grpo_cli.report.comparison import comparison_page
    from grpo_cli.report.page import run_page
    from grpo_cli.report.read import read_run

    runs = [read_run(folder) for folder in folders]
    if len(runs) == 1:
        path = path or runs[0].folder.report
        text = run_page(runs[0], pack(runs[0].folder, max_mb))
    else:
        path = path or Path("report.html")
        text = comparison_page(runs)
    write_atomic(path, text)
    return path


def write_at_end(folder: RunFolder, settings: Mapping[str, Any]) -> None:
    """Write a run's report when it has ended, in whatever way; nothing that goes wrong here touches the run.

    A signal ends the writing, too: the run is recorded, and whoever sends one does not want to wait.

    Args:
        folder: the run.
        settings: the `report` section of its configuration.
    """
    if not settings["enabled"]:
        return
    try:
        write_report([folder.root], max_mb=settings["max_mb"])
    except BaseException as error:
        with contextlib.suppress(OSError):
            note = f"The report could not be written: {type(error).__name__}: {error}\n"
            (folder.logs / "report.log").write_text(note, encoding="utf-8")


class Refresher:
    """Writes the report of a run anew from time to time while it goes on, in a process of its own.

    Args:
        folder: the run.
        settings: the `report` section of its configuration; `every` is the seconds between two reports, None for
            none before the end.
    """

    def __init__(self, folder: RunFolder, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.every: float | None = settings["every"] if settings["enabled"] else None
        self.max_mb = settings["max_mb"]
        self._process: subprocess.Popen[bytes] | None = None
        self._due = time.monotonic() + (self.every or 0.0)

    def __enter__(self) -> Refresher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def tick(self) -> None:
        """Start the next report when it is time and the last one is done; costs nothing otherwise."""
        if self.every is None or time.monotonic() < self._due:
            return
        if self._process is not None and self._process.poll() is None:
            return
        self._due = time.monotonic() + self.every
        limit = "null" if self.max_mb is None else str(self.max_mb)
        command = [
            sys.executable,
            "-m",
            "grpo_cli.commands.report",
            str(self.folder.root),
            f"max_mb={limit}",
            "--quiet",
        ]
        with contextlib.suppress(OSError), (self.folder.logs / "report.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
