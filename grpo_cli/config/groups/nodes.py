"""`launch.nodes`: several machines for one run, and where they meet."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class NodesConfig:
    """The same command on every node, but for the rank; under Slurm the same altogether."""

    count: int | str = option(1, "Nodes (machines) of the run; auto: what Slurm says (SLURM_JOB_NUM_NODES), or NNODES.")
    rank: int | str = option(
        "auto", "This node's number from 0; auto: SLURM_NODEID or NODE_RANK. Node 0 writes the run folder."
    )
    address: str = option(
        "auto", "Host name or IP address of node 0; auto: the first of Slurm's node list, or MASTER_ADDR."
    )
    port: int | str = option(
        "auto",
        "Port on node 0; the one above it is used too. auto: MASTER_PORT, else one of the Slurm job's own, else 29500.",
    )
    timeout: float = option(600.0, "Seconds to wait for all nodes before giving up, saying which is missing.")
