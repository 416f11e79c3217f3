"""One launch from start to end: shown, stopped when asked, nothing left behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress

from grpo_cli.errors import EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, EXIT_SIGINT, EXIT_SIGTERM
from grpo_cli.launch.failure import Failure, error_reports, explain, oom_kill_count, rank_deaths, read_tail
from grpo_cli.launch.meeting import Peers
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.plan import LaunchPlan
from grpo_cli.launch.process import Process
from grpo_cli.launch.running import TERM_SECONDS, pause, running
from grpo_cli.launch.signals import Interrupted, SignalWatch, exit_code_for
from grpo_cli.launch.tree import ProcessTree
from grpo_cli.rollout.plan import ServerPlan
from grpo_cli.rollout.server import RolloutServer
from grpo_cli.runs import jsonl
from grpo_cli.runs.folder import RunFolder

REFRESH_SECONDS = 1.0
# In these a worker answers a stop request; before them there is nothing to save yet.
STOPPABLE = {"training", "evaluating", "saving", "done"}


def supervise(
    plan: LaunchPlan,
    folder: RunFolder,
    *,
    on_tick: Callable[[], None],
    grace_seconds: float | None = None,
    on_stop: Callable[[str], None] | None = None,
    peers: Peers | None = None,
    server: ServerPlan | None = None,
) -> Outcome:
    """Start the workers (and the server they generate with), watch them to their end, and clean up after them.

    The first SIGINT, SIGTERM or SIGHUP asks a worker that trains to save a checkpoint and end (`logs/stop`)
    and waits for it; the second one, the end of the grace, or a signal before training ends it all at once.

    Args:
        plan: what to start.
        folder: the run's folder; output is appended to its `logs/worker.log`.
        on_tick: called about every 0.1 s (the live display) until the run has ended, and once after.
        grace_seconds: how long a stop may take; the plan's own by default.
        on_stop: called once with a sentence for the user when a signal has arrived.
        peers: the run's other nodes: a stop or a failure of one of them ends this launch too.
        server: the rollout server to start or to join; it ends after the workers, and they end with it.

    Returns:
        The outcome of a run that ended by itself, well or not.

    Raises:
        Interrupted: after everything has been cleaned up, when grpo-train got a signal.
    """
    grace = plan.grace_seconds if grace_seconds is None else grace_seconds
    started = time.monotonic()
    _clear_leftovers(folder)
    for name, text in plan.files.items():
        jsonl.write_atomic(folder.root / name, text)
    log_start = folder.worker_log.stat().st_size if folder.worker_log.exists() else 0
    events_start = folder.events.stat().st_size if folder.events.exists() else 0
    oom_before = oom_kill_count()

    # In the foreground Ctrl-C belongs to the worker (the terminal gives it one too) and its debugger.
    with SignalWatch(deaf=("SIGINT",) if plan.foreground else ()) as watch:
        returncode, lost = -9, None
        with RolloutServer(server, folder) as service:
            lost = service.wait(stopped=lambda: watch.count > 0, on_tick=on_tick)
            if lost is None and not (server and watch.count):
                env = {**plan.env, **(server.worker_env if server else {})}
                log = None if plan.foreground else folder.worker_log
                with running(plan.argv, env, run_id=plan.run_id, log=log) as (process, tree):
                    _follow(
                        process,
                        tree,
                        folder,
                        watch,
                        on_tick,
                        on_stop,
                        grace,
                        events_start,
                        plan.foreground,
                        service,
                        peers,
                    )
                returncode = process.returncode if process.returncode is not None else -9
                lost = service.failure() if returncode else None
        folder.stop_request.unlink(missing_ok=True)
        with suppress(Exception):  # everything has ended; a display that fails now must not hide how
            on_tick()

    seconds = time.monotonic() - started
    if lost is not None and watch.first is None:
        return Outcome(lost.exit_code, "failed", None, lost.message, seconds)

    def explained() -> Failure:
        oom_kills = max(0, oom_kill_count() - oom_before)
        return explain(folder, returncode, log_start=log_start, oom_kills=oom_kills, logged=not plan.foreground)

    if watch.first is not None:
        ended_well = returncode == 0
        outcome = Outcome(
            exit_code=EXIT_DONE if ended_well else exit_code_for(watch.first),
            status="completed" if ended_well else "interrupted",
            signal=watch.first,
            error=None if ended_well or not error_reports(folder) else explained().message,
            seconds=seconds,
        )
        raise Interrupted(exit_code_for(watch.first), outcome)
    if peers is not None and peers.broken and returncode != 0:
        return Outcome(EXIT_FAILED, "failed", None, peers.broken, seconds)
    if returncode == 0:
        return Outcome(EXIT_DONE, "completed", None, None, seconds)
    stopped = _stopped_from_outside(returncode, folder, log_start)
    if stopped is not None:
        return Outcome(stopped, "interrupted", None, None, seconds)
    failure = explained()
    code = EXIT_CONFIG if returncode == EXIT_CONFIG and plan.world_size == 1 else failure.exit_code
    return Outcome(code or EXIT_FAILED, "failed", None, failure.message, seconds)


def last_phase(folder: RunFolder, start: int = 0) -> str | None:
    """The name of the last phase event in `logs/events.jsonl` at or after byte `start`."""
    name = None
    if folder.events.exists():
        with folder.events.open("rb") as lines:
            lines.seek(start)
            for line in lines:
                if b'"phase"' in line:
                    with suppress(ValueError):
                        event = json.loads(line)
                        name = event.get("name") if event.get("event") == "phase" else name
    return name


def _follow(
    process: Process,
    tree: ProcessTree,
    folder: RunFolder,
    watch: SignalWatch,
    on_tick: Callable[[], None],
    on_stop: Callable[[str], None] | None,
    grace: float,
    events_start: int,
    foreground: bool,
    service: RolloutServer,
    peers: Peers | None = None,
) -> None:
    """Tick until the command has ended, or until it has to be killed (which the caller does)."""
    next_refresh = 0.0
    deadline: float | None = None
    while process.poll() is None:
        if service.failure():
            return  # the workers would wait for its answers
        now = time.monotonic()
        if now >= next_refresh:
            tree.refresh()
            next_refresh = now + REFRESH_SECONDS
        if peers is not None:
            peers.pump()
            if peers.broken:
                return
            if peers.stop and watch.first is None:
                watch.take(peers.stop)
        if watch.count and deadline is None:
            deadline = now + grace
            if peers is not None and peers.tell_stop(watch.first or "SIGTERM"):
                deadline += TERM_SECONDS + REFRESH_SECONDS  # node 0 has its grace first, and says how it ended
                if on_stop is not None:
                    on_stop(f"{watch.first}: asking node 0 to stop the run; again to stop at once.")
            elif not _ask_to_stop(process, folder, watch, on_stop, grace, events_start, foreground):
                return
        elif deadline is not None and (watch.count > 1 or now > deadline):
            return
        if not foreground:
            try:
                on_tick()
            except Exception:
                # A display that breaks during a stop (its terminal has gone) must not cost the checkpoint.
                if deadline is None:
                    raise
        pause(process)


def _ask_to_stop(
    process: Process,
    folder: RunFolder,
    watch: SignalWatch,
    on_stop: Callable[[str], None] | None,
    grace: float,
    events_start: int,
    foreground: bool,
) -> bool:
    """Ask the worker to end by itself. Returns False when it has to be killed right away."""
    name = watch.first or "SIGTERM"
    if foreground:
        process.terminate()
        return True
    asked = last_phase(folder, events_start) in STOPPABLE and grace > 0
    if asked:
        jsonl.write_atomic(folder.stop_request, f"{name}\n")
    if on_stop is not None:
        with suppress(OSError):
            on_stop(
                f"{name}: saving a checkpoint after this step, at most {grace:g} s; again to stop at once."
                if asked
                else f"{name}: stopping."
            )
    return asked


def _clear_leftovers(folder: RunFolder) -> None:
    """Take away what an earlier launch in the same folder left: its stop request and error reports."""
    folder.logs.mkdir(parents=True, exist_ok=True)
    for old in (folder.stop_request, *folder.logs.glob("error-rank*.json")):
        old.unlink(missing_ok=True)


def _stopped_from_outside(returncode: int, folder: RunFolder, log_start: int) -> int | None:
    """The exit code of a worker that somebody else's SIGINT or SIGTERM ended; None where it failed."""
    text = read_tail(folder.worker_log, log_start)
    codes = [d.code for d in rank_deaths(text)]
    agent = re.search(r"SignalException: Process \d+ got signal: (\d+)", text)
    if not codes and agent:
        codes = [-int(agent[1])]
    named = {-2: EXIT_SIGINT, -15: EXIT_SIGTERM, EXIT_SIGINT: EXIT_SIGINT, EXIT_SIGTERM: EXIT_SIGTERM}
    return named.get((codes or [returncode])[0])
