"""From a validated configuration to a finished run: freeze it, launch it, watch it, record what became of it."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from grpo_cli.commands._nodes import begin, meet, run_member
from grpo_cli.commands._prepare import prepare
from grpo_cli.commands._reproduce import announce, compare_with, recorded_config
from grpo_cli.config.compose import discard_empty
from grpo_cli.config.freeze import as_dict, freeze
from grpo_cli.display import make_display
from grpo_cli.errors import EXIT_FAILED, EXIT_SIGINT, RunError
from grpo_cli.forecast.shape import shape_of
from grpo_cli.forecast.time import from_earlier
from grpo_cli.launch.elsewhere import hardware_asked_for
from grpo_cli.launch.hardware import Hardware, detect
from grpo_cli.launch.meeting.host import Host
from grpo_cli.launch.meeting.member import Member
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.plan import LaunchPlan, plan_launch
from grpo_cli.launch.signals import Interrupted, Terminated, raising
from grpo_cli.launch.supervise import supervise
from grpo_cli.preflight.arithmetic import total_steps
from grpo_cli.preflight.show import duration
from grpo_cli.report.write import Refresher, write_at_end
from grpo_cli.rewards.source import run_sources
from grpo_cli.rollout.gpus import share_gpus
from grpo_cli.rollout.plan import ServerPlan, plan_server
from grpo_cli.runs.checkpoints import roll_back, step_of
from grpo_cli.runs.disk import write_problem
from grpo_cli.runs.folder import RunFolder, set_aside
from grpo_cli.runs.jsonl import append, clear_unfinished, read, write_atomic
from grpo_cli.runs.lock import FolderInUse, own
from grpo_cli.runs.provenance import redact, write_provenance
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import COMPLETED, FAILED, INTERRUPTED, now, start_result, update_result
from grpo_cli.runs.resume import Resumption, differences, explicit, find_interrupted, fingerprint, resumable

if TYPE_CHECKING:
    from grpo_cli.display.base import Display


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes:
        folder: its folder.
        result: its `result.json`.
    """

    folder: RunFolder
    result: dict[str, Any]


def run_job(cfg: DictConfig, overrides: list[str]) -> Finished | None:
    """Run one job from its composed and validated configuration.

    Args:
        cfg: the configuration.
        overrides: what the command line gave.

    Returns:
        How it ended; None for a dry run.

    Raises:
        ConfigError: something the run needs is missing or does not fit; nothing was started.
        Interrupted: the user stopped it; everything is recorded and no process is left.
    """
    hydra = HydraConfig.get()
    new = RunFolder(Path(hydra.runtime.output_dir).absolute())
    with raising(), readable_write_errors(new), removed_if_unused(new, Path(cfg.paths.output_dir)):
        hardware = hardware_asked_for(cfg.launch, detect()) if cfg.dry_run else detect()
        cfg = recorded_config(cfg) if cfg.reproduce else cfg
        prepare(cfg, hardware)
        # A folder given by hand, or a sweep's, is this run's only place; else any earlier run may be gone on with.
        named = any(o.startswith("hydra.run.dir=") for o in hydra.overrides.hydra) or new.result.exists()
        alone = hydra.mode == RunMode.RUN and not named
        if cfg.launch.slurm.submit:
            from grpo_cli.commands._slurm import submit_run  # only a submission needs it

            return submit_run(cfg, overrides, new, alone, hardware)
        return start(cfg, overrides, new, alone, hardware)


def start(cfg: DictConfig, overrides: list[str], new: RunFolder, alone: bool, hardware: Hardware) -> Finished | None:
    """Run a prepared configuration on this machine, or this machine's part of it.

    Args:
        cfg: the configuration, settled by `prepare`.
        overrides: what the command line gave.
        new: the folder of a new run.
        alone: whether an earlier run in another folder may be gone on with.
        hardware: this machine.

    Returns:
        How it ended; None for a dry run.
    """
    original = RunFolder(Path(cfg.reproduce)) if cfg.reproduce else None
    config = as_dict(cfg)
    sources = run_sources(config)
    identity = fingerprint(config, sources)
    if config["dry_run"]:
        if server := plan_server(config, hardware):
            show_server(server)
        trainers, _ = share_gpus(config, hardware)
        show_plan(plan_launch(config["launch"], config["training"], new.root, hardware=trainers))
        return None
    with meet(cfg, config, sources, hardware) as peers:
        if isinstance(peers, Member):
            return Finished(*run_member(peers, cfg, config, new, overrides, hardware))
        with claimed(config, identity, new, alone) as (folder, resumption):
            server = plan_server(config, hardware)
            trainers, _ = share_gpus(config, hardware)
            plan = plan_launch(config["launch"], config["training"], folder.root, hardware=trainers)
            shape = shape_of(config, trainers, kind=plan.kind, world_size=plan.world_size, gpus=plan.gpus)
            in_sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
            if config["display"] != "quiet" and not in_sweep:
                tell_time(config, trainers, shape)
            freeze_into(folder, cfg, config, overrides, resumption)
            launch = {"command": list(plan.argv), "kind": plan.kind, "why": plan.why, "world_size": plan.world_size}
            if peers:
                launch["nodes"] = peers.hosts()
            write_provenance(
                folder,
                launch=launch,
                hardware=hardware.as_dict(),
                rollout=server.as_dict() if server else None,
                rewards=sources,
                shape=shape,
            )
            start_result(folder, fingerprint=identity, overrides=[redact(o) for o in overrides])
            before = announce(original, folder) if original else {}
            with end_recorded(folder):
                if peers:
                    plan = begin(peers, plan, folder, config)
                result = execute(plan, folder, config, peers, server)
            if original and result["status"] == COMPLETED:
                result = compare_with(original, folder, before)
            return Finished(folder, result)


@contextlib.contextmanager
def claimed(
    config: dict[str, Any], identity: str, new: RunFolder, alone: bool
) -> Iterator[tuple[RunFolder, Resumption | None]]:
    """Own the folder this start works in: that of a run it goes on with, or its new one.

    Args:
        config: the configuration.
        identity: its fingerprint.
        new: the folder Hydra made for this start.
        alone: whether an earlier run in another folder may be gone on with.

    Yields:
        The folder, and what to go on from.

    Raises:
        FolderInUse: another process owns it.
    """
    with contextlib.ExitStack() as held:
        resumption = choose_run(config, identity, new, alone)
        if resumption and resumption.folder != new and config["resume"] == "auto":
            try:
                held.enter_context(own(resumption.folder))
            except FolderInUse:  # the same command, started twice: the other one was first
                resumption = None
            else:
                # Once more, now that nobody else changes it: it may have been gone on with meanwhile.
                resumption = resumable(resumption.folder, identity)
            if resumption:
                yield resumption.folder, resumption
                return
        folder = resumption.folder if resumption else new
        held.enter_context(own(folder))
        if not resumption and (aside := set_aside(folder)):
            print(f"The earlier run in {folder.root} was moved to {aside}.", file=sys.stderr)
        yield folder, resumption


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


def choose_run(config: dict[str, Any], identity: str, new: RunFolder, alone: bool) -> Resumption | None:
    """Decide by the `resume` key whether this start goes on with an earlier run, or starts in `new` (None)."""
    resume = config["resume"]
    if resume == "never":
        return None
    if resume != "auto":
        chosen = explicit(Path(resume).expanduser().absolute())
        tell_differences(chosen, config)
        return chosen
    return find_interrupted(new.root.parent, identity, new.root) if alone else resumable(new, identity)


def tell_differences(chosen: Resumption, config: dict[str, Any]) -> None:
    """Say on stderr what the resumed run will do differently from how it began."""
    began = OmegaConf.load(chosen.folder.config)
    assert isinstance(began, DictConfig)
    changed = differences(as_dict(began), config)
    if changed:
        print("The resumed run goes on with a changed configuration:", *changed, sep="\n  ", file=sys.stderr)


def tell_time(config: dict[str, Any], hardware: Hardware, shape: str) -> None:
    """Say on stderr how long this will take, where earlier runs of the same shape tell."""
    steps = config["training"].get("max_steps") or 0
    total = steps if steps > 0 else total_steps(config, hardware)
    found = from_earlier(shape, Path(config["paths"]["output_dir"]), total)
    if found and found.total:
        each = f"{duration(found.step)} a step, {duration(found.low)} to {duration(found.high)}"
        print(f"grpo-train: about {duration(found.total)} in all ({each}), by {found.detail}.", file=sys.stderr)


def freeze_into(
    folder: RunFolder,
    cfg: DictConfig,
    config: dict[str, Any],
    overrides: list[str],
    resumption: Resumption | None,
) -> None:
    """Write the frozen configuration, and take a resumed run's records back to its checkpoint."""
    OmegaConf.update(cfg, "resume_from", str(resumption.checkpoint) if resumption else None, force_add=True)
    write_atomic(folder.config, freeze(cfg))
    write_atomic(folder.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    if resumption:
        step = step_of(resumption.checkpoint)
        roll_back(folder, resumption.checkpoint)
        print(f"Going on with {folder.root} from step {step} (resume=never starts afresh).", file=sys.stderr)


def set_events_aside(folder: RunFolder) -> None:
    """Put an earlier attempt's events aside, so that the display shows this attempt only."""
    append(folder.logs / "superseded" / folder.events.name, *read(folder.events))
    folder.events.unlink(missing_ok=True)


def show_plan(plan: LaunchPlan) -> None:
    """Print what a dry run would have started: why, the files that would be written, the environment, the command."""
    print(f"# {plan.kind}, {plan.world_size} process{'es' * (plan.world_size > 1)}: {plan.why}")
    for name, text in plan.files.items():
        print(f"# {name} in the run folder:", text.rstrip(), "", sep="\n")
    print(command_line(plan.env, plan.argv))


def show_server(server: ServerPlan) -> None:
    """Print the rollout server that a dry run would have started first, or joined."""
    if not server.started:
        print(f"# rollout server: the running one at {server.url}, if it serves {server.model}")
        return
    gpus = ", ".join(gpu.token for gpu in server.gpus)
    print(f"# rollout server at {server.url}{f' on GPU {gpus}' if gpus else ''}, ready within {server.timeout:g} s")
    print(command_line(server.env, server.argv))


def command_line(env: Mapping[str, str], argv: Sequence[str]) -> str:
    """A command as one would type it, with what its environment adds to the present one."""
    added = {key: value for key, value in sorted(env.items()) if os.environ.get(key) != value}
    return " ".join([*(f"{key}={shlex.quote(value)}" for key, value in added.items()), shlex.join(argv)])


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


@contextlib.contextmanager
def readable_write_errors(folder: RunFolder) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one sentence."""
    try:
        yield
    except OSError as error:
        problem = write_problem(error, folder.root)
        if problem is None:
            raise
        raise RunError(problem) from error


@contextlib.contextmanager
def removed_if_unused(folder: RunFolder, top: Path) -> Iterator[None]:
    """Remove the folder Hydra made before the run when nothing was written into it, with its empty parents."""
    try:
        yield
    except FolderInUse:
        raise  # what lies in it is another run's
    except BaseException:
        discard(folder, top)
        raise
    else:
        discard(folder, top)


def discard(folder: RunFolder, top: Path) -> None:
    """Remove a run folder in which no run has begun; `top` is the last folder above it that may go."""
    if not folder.config.exists():
        if folder.logs.is_dir() and [p.name for p in folder.logs.iterdir()] == [folder.lock.name]:
            shutil.rmtree(folder.logs)
        discard_empty(folder.root, top)
