"""Which node of how many this is, and where they meet: `launch.nodes.*`, else what a scheduler says."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_cli.errors import ConfigError

DEFAULT_PORT = 29500
JOB_PORTS = range(20000, 30000, 2)  # below Linux's ephemeral ports, which start at 32768
NODE = "GRPO_TRAIN_NODE"  # this machine's number, for the workers: those of node 0 write the run folder

# Where a scheduler tells what a key left at auto needs; the first that is set counts.
COUNT_FROM = ("SLURM_STEP_NUM_NODES", "SLURM_JOB_NUM_NODES", "NNODES", "NUM_NODES")
RANK_FROM = ("SLURM_NODEID", "NODE_RANK", "MACHINE_RANK")
ADDRESS_FROM = ("MASTER_ADDR",)
PORT_FROM = ("MASTER_PORT",)


@dataclass(frozen=True)
class Nodes:
    """The nodes of one run, as one of them knows them.

    Attributes:
        count: how many.
        rank: this one's number, from 0; node 0 owns the run folder.
        address: node 0's name or address, as the others reach it.
        port: node 0 listens here for the other nodes' grpo-train, and one above for their workers.
        timeout: seconds to wait for all of them.
    """

    count: int
    rank: int
    address: str
    port: int
    timeout: float

    @property
    def worker_port(self) -> int:
        """Where torch's store listens on node 0."""
        return self.port + 1

    @property
    def where(self) -> str:
        """Node 0 as `address:port`."""
        return f"{self.address}:{self.port}"


def settle_nodes(cfg_launch: Mapping[str, Any], env: Mapping[str, str]) -> Nodes | None:
    """Read `launch.nodes`, filling in what is `auto` from the environment.

    Args:
        cfg_launch: the `launch` group.
        env: the environment, where a scheduler has put the node's number.

    Returns:
        The nodes, or None for a run on this machine alone.

    Raises:
        ConfigError: a number is missing or does not fit; the message says which key to write.
    """
    given = cfg_launch.get("nodes") or {}
    slurm = cfg_launch.get("slurm") or {}
    if slurm.get("submit"):  # what the job will find; here, before it is submitted, only the count matters
        wanted = int(slurm.get("nodes", 1))
        return Nodes(wanted, 0, "", DEFAULT_PORT, float(given.get("timeout", 600.0))) if wanted > 1 else None
    count = _whole(given.get("count", 1), "count", 1, _first(env, COUNT_FROM))
    if count == 1:
        return None
    rank = _whole(given.get("rank", "auto"), "rank", 0, _first(env, RANK_FROM))
    address = str(given.get("address") or "auto")
    if address == "auto":
        address = _first(env, ADDRESS_FROM) or first_host(env.get("SLURM_JOB_NODELIST", "")) or ""
    if count is not None and rank is not None and rank >= count:
        raise ConfigError(
            f"launch.nodes.rank={rank} with launch.nodes.count={count}: nodes are numbered 0 to {count - 1}."
        )
    if missing := _missing(count, rank, address):
        raise ConfigError(missing)
    assert count is not None and rank is not None
    port = _whole(given.get("port", "auto"), "port", 1, _first(env, PORT_FROM)) or job_port(env)
    if port > 65534:
        raise ConfigError(f"launch.nodes.port={port} must be at most 65534 (the port above it is used too).")
    return Nodes(count, rank, address, port, float(given.get("timeout", 600.0)))


def job_port(env: Mapping[str, str]) -> int:
    """The port where none is given: of its own for each Slurm job, since jobs may share a node."""
    job = env.get("SLURM_JOB_ID", "")
    return JOB_PORTS[int(job) % len(JOB_PORTS)] if job.isdigit() else DEFAULT_PORT


def first_host(nodelist: str) -> str | None:
    """The first host of a Slurm node list.

    Args:
        nodelist: as Slurm writes it: `gpu[003-005,9],login`.

    Returns:
        `gpu003`; None for an empty list.
    """
    if not nodelist:
        return None
    simple = re.match(r"([^,\[\]]+)(?:,|$)", nodelist)
    if simple:
        return simple[1]
    ranged = re.match(r"([^,\[\]]+)\[(\d+)[^\[\]]*\](?:,|$)", nodelist)
    if ranged:
        return ranged[1] + ranged[2]
    try:  # several ranges in one name: Slurm's own reader
        shown = subprocess.run(
            ["scontrol", "show", "hostnames", nodelist], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.split()[0] if shown.stdout.split() else None


def node_options(nodes: Nodes) -> dict[str, str]:
    """What several nodes add to the options of `accelerate launch` (see `command.accelerate_options`)."""
    return {
        "num_machines": str(nodes.count),
        "machine_rank": str(nodes.rank),
        "main_process_ip": nodes.address,
        "main_process_port": str(nodes.worker_port),
        "same_network": "",
    }


def gloo_interface(interface: str | None, chosen: Mapping[str, str]) -> dict[str, str]:
    """GLOO_SOCKET_IFNAME for the workers.

    Args:
        interface: the network interface over which the nodes reach each other, where known.
        chosen: the user's own variables, which win.
    """
    # gloo takes the interface this host's name resolves to: on Debian 127.0.1.1, where no other node comes in.
    return {"GLOO_SOCKET_IFNAME": interface} if interface and "GLOO_SOCKET_IFNAME" not in chosen else {}


def interface_of(address: str) -> str | None:
    """The network interface that has an address, such as `eth0`."""
    import psutil

    for name, entries in psutil.net_if_addrs().items():
        if any(entry.address.partition("%")[0] == address for entry in entries):
            return name
    return None


def is_own(host: str) -> bool:
    """Whether a name or address is this machine's own, as far as its name service tells."""
    try:
        return any(interface_of(str(entry[4][0])) for entry in socket.getaddrinfo(host, None))
    except OSError:
        return False


def interface_towards(host: str, port: int) -> str | None:
    """The interface by which this machine reaches a host; None where the name is not known here."""
    if not host:
        return None
    try:
        family, kind, proto, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.connect(target)  # of a datagram socket: nothing is sent
            return interface_of(probe.getsockname()[0])
    except OSError:
        return None


def _missing(count: int | None, rank: int | None, address: str) -> str | None:
    """One sentence for all that neither `launch.nodes` nor the environment says."""
    last = "the last" if count is None else str(count - 1)
    needed = (
        (count is None, "count", "2", COUNT_FROM[1:3], "how many nodes there are"),
        (rank is None, "rank", "0", RANK_FROM[:2], f"0 on the first node, to {last} on the others"),
        (not address, "address", "10.0.0.1", ADDRESS_FROM, "where node 0 is found, the same on every node"),
    )
    missing = [entry[1:] for entry in needed if entry[0]]
    if not missing:
        return None
    keys = ", ".join(f"launch.nodes.{key}" for key, *_ in missing)
    names = ", ".join(name for *_, names, _ in missing for name in names)
    write = " ".join(f"launch.nodes.{key}={example}" for key, example, *_ in missing)
    means = "; ".join(f"{key}: {meaning}" for key, *_, meaning in missing)
    verb = "is" if len(missing) == 1 else "are"
    return f"{keys} {verb} not known, and no scheduler has set {names}; write {write} ({means})."


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _whole(value: Any, key: str, least: int, otherwise: str | None) -> int | None:
    """A whole number; for `auto` the environment's, or None."""
    if value in (None, "auto"):
        if otherwise is None:
            return None
        value = otherwise
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise ConfigError(f"launch.nodes.{key}={value} must be a whole number of {least} or more, or auto.")
    return number
