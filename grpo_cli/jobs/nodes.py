"""A run over several nodes: who takes part, where each works, and the part of a node other than the first."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from grpo_cli.config.freeze import freeze
from grpo_cli.errors import EXIT_DONE, RunError
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.meeting.host import Host
from grpo_cli.launch.meeting.member import Member
from grpo_cli.launch.nodes import gloo_interface, interface_of
from grpo_cli.launch.plan import LaunchPlan, plan_launch
from grpo_cli.launch.signals import Interrupted
from grpo_cli.launch.supervise import supervise
from grpo_cli.runs.checkpoints import COMPLETE_MARK
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic
from grpo_cli.runs.provenance import package_versions
from grpo_cli.runs.resume import flatten

TOKEN = "meeting"  # in the run folder's logs: a node that finds node 0's word there shares its file system


@contextlib.contextmanager
def meet(
    cfg: DictConfig, config: dict[str, Any], sources: Mapping[str, Any], hardware: Hardware
) -> Iterator[Host | Member | None]:
    """Bring the nodes of a run together.

    Args:
        cfg: the configuration.
        config: the same as plain containers.
        sources: the rewards' sources with their hashes, which must be the same on every node.
        hardware: this machine.

    Yields:
        None for a run on one machine; on node 0 its `Host` with all nodes there; else a `Member` not yet joined.
    """
    plan = plan_launch(config["launch"], config["training"], Path(), hardware=hardware)
    if plan.nodes is None:
        yield None
        return
    frozen: Any = OmegaConf.to_container(OmegaConf.create(freeze(cfg)), resolve=False)  # without secrets
    about = {
        "host": hardware.host,
        "processes": plan.world_size // plan.nodes.count,
        "kind": plan.kind,
        "packages": package_versions(),
        "hardware": hardware.as_dict(),
        "config": {key: str(value) for key, value in flatten(frozen).items()},
        "rewards": {name: str(source.get("sha256")) for name, source in sources.items() if isinstance(source, dict)},
    }
    peers = Member(plan.nodes, about) if plan.nodes.rank else Host(plan.nodes, about)
    try:
        if isinstance(peers, Host):
            peers.gather(say)
        yield peers
    finally:
        peers.close()


def begin(host: Host, plan: LaunchPlan, folder: RunFolder, config: dict[str, Any]) -> LaunchPlan:
    """Tell the other nodes to start.

    Args:
        host: the meeting.
        plan: this node's launch.
        folder: the run.
        config: its configuration.

    Returns:
        The plan, its workers on the network over which the nodes met.
    """
    token = uuid.uuid4().hex
    write_atomic(folder.logs / TOKEN, token)
    resume_from = OmegaConf.select(OmegaConf.load(folder.config), "resume_from")
    host.begin(folder=str(folder.root.resolve()), token=token, resume_from=resume_from)
    return on_network(plan, host.interface_address, config)


def run_member(
    member: Member, cfg: DictConfig, config: dict[str, Any], new: RunFolder, overrides: list[str], hardware: Hardware
) -> tuple[RunFolder, dict[str, Any]]:
    """Run this node's ranks: node 0 writes the run, this one its logs.

    Args:
        member: the meeting, not yet joined.
        cfg: the configuration.
        config: the same as plain containers.
        new: the folder Hydra made for this start.
        overrides: what the command line gave.
        hardware: this machine.

    Returns:
        This node's folder, and the run's result as node 0 recorded it.

    Raises:
        RunError: the run failed; the message is that of the node where it did.
        Interrupted: it was stopped.
    """
    rank = member.nodes.rank
    told = member.join(say)
    root, shared = working_folder(told, new)
    folder = RunFolder(root, rank)
    checkpoint = told["resume_from"]
    if checkpoint and not (Path(checkpoint) / COMPLETE_MARK).exists():
        raise RunError(
            f"Node 0 goes on from {checkpoint}, which is not on this node; put the run folder on a file system that "
            "all nodes share, or start afresh with resume=never."
        )
    if not shared:
        OmegaConf.update(cfg, "resume_from", checkpoint, force_add=True)
        write_atomic(folder.config, freeze(cfg))
        write_atomic(folder.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    plan = plan_launch(config["launch"], config["training"], folder.root, hardware=hardware)
    plan = on_network(plan, member.interface_address, config)
    say(f"Node {rank} of {member.nodes.count}: training; node 0 shows the run. Log: {folder.worker_log}")
    try:
        outcome = supervise(plan, folder, on_tick=lambda: None, on_stop=say, peers=member)
    except Interrupted as interrupted:
        member.conclude(interrupted.outcome)
        raise
    outcome = member.conclude(outcome)
    if outcome.exit_code == EXIT_DONE:
        say(f"Node {rank}: done.")
    elif outcome.status != "interrupted":
        print(f"grpo-train: {outcome.error or 'The run failed; node 0 says why.'}", file=sys.stderr)
    return folder, {**member.result, "exit_code": outcome.exit_code, "status": outcome.status, "error": outcome.error}


def working_folder(told: Mapping[str, Any], new: RunFolder) -> tuple[Path, bool]:
    """Where a node other than 0 works: node 0's own folder where it sees it, else one of the same name.

    Args:
        told: what node 0 says: `folder` and `token`.
        new: the folder Hydra made for this start.

    Returns:
        The folder, and whether it is node 0's.
    """
    theirs = Path(told["folder"])
    here = new.root.parent / theirs.name  # a shared file system may be mounted elsewhere on this node
    for place in (theirs, here):
        token = RunFolder(place).logs / TOKEN
        with contextlib.suppress(OSError):
            if token.read_text(encoding="utf-8") == told["token"]:
                return place, True
    return here, False


def on_network(plan: LaunchPlan, address: str | None, config: dict[str, Any]) -> LaunchPlan:
    """The plan with its workers on the interface that has an address: the one the nodes really met over."""
    chosen = {**os.environ, **(config["launch"].get("env") or {})}
    return replace(plan, env=plan.env | gloo_interface(interface_of(address) if address else None, chosen))


def say(text: str) -> None:
    """One line for the user of this node."""
    print(f"grpo-train: {text}", file=sys.stderr, flush=True)
