"""`launch.slurm`: what is asked of Slurm for a run; `launch=slurm` submits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option


@dataclass
class SlurmConfig:
    """Options of sbatch under their own names; null leaves one to the cluster's default."""

    submit: bool = option(False, "Hand the run to Slurm instead of training here; launch=slurm sets it.")
    wait: bool = option(False, "Wait for the job, show the run meanwhile, and exit as it did.")
    partition: str | None = option(None, "Partition (queue).")
    account: str | None = option(None, "Account that is charged.")
    qos: str | None = option(None, "Quality of service.")
    constraint: str | None = option(None, "Features a node must have.")
    time: str | int | None = option(
        None, "Time limit of the job: minutes, or hours:minutes:seconds in quotes, or days-hours."
    )
    nodes: int = option(1, "Nodes; on each, launch.num_processes ranks.")
    gpus_per_node: int = option(0, "GPUs on each node.")
    gpu_type: str | None = option(None, "Type of GPU, as the cluster names it (a100, h100).")
    cpus_per_task: int | None = option(None, "CPU cores on each node.")
    mem: str | int | None = option(None, "Memory on each node: 64G, or a number of MiB; 0: all of it.")
    requeue: bool = option(
        True,
        "Put the job back into the queue when its time runs out or it is preempted; it goes on from its checkpoint.",
    )
    notice_seconds: int = option(120, "Seconds before the time limit at which the run saves a checkpoint and ends.")
    array_parallelism: int | None = option(None, "Jobs of a sweep that run at the same time; null: as many as fit.")
    setup: list[str] = option([], "Shell commands before the run, on the job's first node (module load cuda).")
    extra: dict[str, Any] = option({}, "Further options of sbatch by name: extra.reservation=mine.")
