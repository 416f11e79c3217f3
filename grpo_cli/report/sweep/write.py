"""Write the leaderboard's page, on demand and by itself when a sweep ends."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from grpo_cli.report.sweep.page import sweep_page
from grpo_cli.report.sweep.plots import Plot, standalone
from grpo_cli.report.sweep.read import SweepRun, read_sweep
from grpo_cli.report.sweep.standings import Standings, standings
from grpo_cli.runs.jsonl import write_atomic

PAGE = "report.html"


def write_page(board: Standings, path: Path | None = None) -> Path:
    """Write the page of a leaderboard.

    Args:
        board: the leaderboard.
        path: the file; `report.html` in the sweep's folder by default.

    Returns:
        Where it is.
    """
    path = path or board.sweep.folder / PAGE
    write_atomic(path, sweep_page(board, path.absolute().parent))
    return path


def write_sweep_report(folder: Path) -> Path | None:
    """Write a sweep's page when the sweep has ended; nothing that goes wrong here touches the sweep.

    Args:
        folder: the sweep's folder.

    Returns:
        Where the page is; None where `report.enabled` is false in its jobs, no job was started, or it could not be
        written (`report.log` in the folder then says why).
    """
    try:
        sweep = read_sweep(folder)
        if not _wanted(sweep):
            return None
        return write_page(standings(sweep))
    except BaseException as error:  # a signal ends the writing, too: the sweep is recorded
        with contextlib.suppress(OSError):
            note = f"The leaderboard could not be written: {type(error).__name__}: {error}\n"
            (folder / "report.log").write_text(note, encoding="utf-8")
        return None


def export_plots(drawn: Sequence[Plot], format_: str, directory: Path) -> list[Path]:
    """Write each plot to a file of its own.

    Args:
        drawn: the plots.
        format_: svg, png or pdf.
        directory: where; made where missing.

    Raises:
        ConfigError: the format is unknown, or what makes it is not installed.
    """
    from grpo_cli.report.export import write_drawings

    return write_drawings([(plot.key, standalone(plot)) for plot in drawn], format_, directory)


def _wanted(sweep: SweepRun) -> bool:
    """Whether the jobs' configuration asks for reports; without one there is nothing to tell of."""
    settings = [t.run.config.get("report") for t in sweep.trials if t.run.config]
    return any(not isinstance(s, dict) or s.get("enabled", True) for s in settings)
