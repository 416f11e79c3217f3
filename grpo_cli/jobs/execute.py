"""The workers from their start to their end: launched, shown, and what became of them recorded."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo_cli.display import make_display
from grpo_cli.errors import EXIT_FAILED, EXIT_SIGINT
from grpo_cli.jobs.folder import set_events_aside
from grpo_cli.launch.meeting.host import Host
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.plan import LaunchPlan
from grpo_cli.launch.signals import Interrupted, Terminated
from grpo_cli.launch.stem import own_stem, why_unfit
from grpo_cli.launch.supervise import supervise
from grpo_cli.report.write import Refresher, write_at_end
from grpo_cli.rollout.plan import ServerPlan
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import clear_unfinished
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import FAILED, INTERRUPTED, now, update_result

if TYPE_CHECKING:
    from grpo_cli.display.base import Display


def execute(
    plan: LaunchPlan,
    folder: RunFolder,
    config: dict[str, Any],
    peers: Host | None = None,
    server: ServerPlan | None = None,
) -> dict[str, Any]:
    """Launch the workers, show what they do until they end, and record how it went.

    Args:
        plan: what to start.
        folder: the run.
        config: its configuration.
        peers: the other nodes, of a run over several.
        server: the rollout server to start or to join.

    Returns:
        The run's `result.json`.
    """
    for warning in plan.warnings:
        print(f"grpo-train: {warning}", file=sys.stderr)
    set_events_aside(folder)
    # A debugger needs the terminal for itself.
    mode = "quiet" if plan.foreground else config["display"]
    with make_display(mode, folder, header_of(config, folder)) as display:
        if config["launch"]["kind"] == "auto":
            Recorder(folder).resolved("launch.kind", plan.kind, plan.why)
        if stem := own_stem():
            unfit = why_unfit(stem, plan.argv, plan.env)
            Recorder(folder).resolved("launch.warm", unfit is None, unfit or "a job of a multirun")
        try:
            with Refresher(folder, config["report"]) as refresher:
                on_tick = ticking(display, refresher)
                outcome = supervise(plan, folder, on_tick=on_tick, on_stop=display.note, peers=peers, server=server)
        except Interrupted as interrupted:
            result = conclude(folder, interrupted.outcome, peers)
            write_at_end(folder, config["report"])
            display.finish(result)
            raise
        result = conclude(folder, outcome, peers)
        write_at_end(folder, config["report"])
        display.finish(result)
    return result


def ticking(display: Display, refresher: Refresher) -> Callable[[], None]:
    """What is done about ten times a second while the workers run."""

    def tick() -> None:
        refresher.tick()
        display.tick()

    return tick


def conclude(folder: RunFolder, outcome: Outcome, peers: Host | None) -> dict[str, Any]:
    """Record how the run ended; with other nodes, hear theirs first and tell them after."""
    if peers is None:
        return record(folder, outcome)
    outcome = peers.conclude(outcome)
    result = record(folder, outcome)
    peers.farewell(outcome, result)
    return result


def header_of(config: dict[str, Any], folder: RunFolder) -> dict[str, Any]:
    """What the display says the run is made of; the folder as one would type it."""
    dataset = config["dataset"]
    root = folder.root
    return {
        "name": config["name"],
        "model": config["model"]["name"],
        "dataset": dataset["path"] or str(dataset["generator"] or "mixture").rpartition(":")[2],
        "rewards": list(config["reward"]),
        "folder": str(root.relative_to(Path.cwd()) if root.is_relative_to(Path.cwd()) else root),
    }


def record(folder: RunFolder, outcome: Outcome) -> dict[str, Any]:
    """Write how the workers ended into `result.json`, and clear what killed ones left half written."""
    folder.stop_request.unlink(missing_ok=True)
    clear_unfinished(folder.root)
    return update_result(
        folder,
        status=outcome.status,
        exit_code=outcome.exit_code,
        error=outcome.error,
        finished=now(),
        seconds=round(outcome.seconds, 3),
    )


@contextlib.contextmanager
def end_recorded(folder: RunFolder) -> Iterator[None]:
    """See to it that `result.json` does not say "running" after an end that `execute` could not record."""
    try:
        yield
    except Interrupted:
        raise  # recorded, with its outcome
    except BaseException as error:  # a signal before the workers were started, a full disk, a bug
        by_signal = isinstance(error, Terminated | KeyboardInterrupt)
        status, code = (INTERRUPTED, getattr(error, "exit_code", EXIT_SIGINT)) if by_signal else (FAILED, EXIT_FAILED)
        with contextlib.suppress(OSError):
            text = None if by_signal else f"{type(error).__name__}: {error}"
            update_result(folder, status=status, exit_code=code, error=text, finished=now())
        raise
