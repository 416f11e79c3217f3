"""The `launch` group: on what hardware, in how many processes, and how patiently a run is ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option

KINDS = ("auto", "cpu", "single_gpu", "multi_gpu")
SHARDINGS = ("none", "fsdp2", "zero1", "zero2", "zero3")
OFFLOADS = ("none", "cpu", "nvme")


@dataclass
class LaunchConfig:
    """How the worker processes are started and stopped."""

    kind: str = option(
        "auto", "Hardware to use; auto: no GPU gives cpu, one gives single_gpu, more give multi_gpu.", KINDS
    )
    num_processes: int | str = option(
        "auto", "Worker processes (ranks); auto: every visible GPU under multi_gpu, else 1."
    )
    sharding: str = option(
        "none",
        "What the ranks share out among themselves instead of each holding all of it: none (DDP), fsdp2 (PyTorch: "
        "weights, gradients, optimizer), zero1, zero2, zero3 (DeepSpeed: optimizer; and gradients; and weights).",
        SHARDINGS,
    )
    accelerate_config: str | None = option(
        None, "A file of your own from `accelerate config`, in place of kind and sharding."
    )
    threads: int | str = option(
        "auto",
        "CPU threads a process (OMP_NUM_THREADS); auto: usable cores // processes, unless already set.",
    )
    slots: int | str = option(
        1,
        "Jobs of a multirun (-m) that run side by side, each with GPUs or CPU cores of its own; auto: as many as the "
        "machine has room for.",
    )
    gpus_per_job: int | str = option(
        "auto", "GPUs of each slot; auto: launch.num_processes where it is a number, else 1."
    )
    warm: bool | str = option(
        "auto",
        "Fork the jobs of a multirun from one process that has imported torch, transformers and TRL, in place of "
        "importing them in each; auto: on the CPU.",
        choices=("auto", True, False),
    )
    grace_seconds: float = option(
        30.0, "Seconds the first Ctrl-C or SIGTERM waits for the step to end and its checkpoint to be saved."
    )
    foreground: bool = option(False, "Run the one worker in this terminal, for a debugger; its output is not logged.")
    env: dict[str, Any] = option({}, "Environment variables for the workers, on top of yours.")


@dataclass
class FsdpConfig:
    """FSDP2 as accelerate sets it up; the names are accelerate's `fsdp_config`, without `fsdp_`."""

    auto_wrap_policy: str = option(
        "TRANSFORMER_BASED_WRAP",
        "What is gathered at once: each transformer layer, modules from min_num_params up, or the model as a whole.",
        ("TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP", "NO_WRAP"),
    )
    transformer_layer_cls_to_wrap: str | None = option(
        None, "Class names of the layers, with commas; null: what the model itself says must not be split."
    )
    min_num_params: int = option(100_000_000, "Parameters from which a module is sharded apart, under SIZE_BASED_WRAP.")
    reshard_after_forward: bool = option(
        True, "Give a layer's weights back after its forward pass; false keeps them for the backward pass (as ZeRO-2)."
    )
    offload_params: bool = option(False, "Keep weights, gradients and optimizer in CPU memory between their uses.")
    cpu_ram_efficient_loading: bool = option(
        False, "Load the weights in one process only, which sends them to the others: saves CPU memory at the start."
    )
    activation_checkpointing: bool = option(
        False, "FSDP's own gradient checkpointing; in place of training.gradient_checkpointing."
    )
    state_dict_type: str = option(
        "FULL_STATE_DICT",
        "How checkpoints are written: by one process, whole, so that each is a model too; or by every process its "
        "part, which is quicker for large models. model/ is whole either way.",
        ("FULL_STATE_DICT", "SHARDED_STATE_DICT"),
    )


@dataclass
class DeepSpeedConfig:
    """DeepSpeed's ZeRO; the names are accelerate's `deepspeed_config`."""

    offload_optimizer_device: str = option(
        "none", "Where the optimizer's state lives and its step is computed: none is the GPU.", OFFLOADS
    )
    offload_param_device: str = option("none", "Where weights lie while unused; zero3 only.", OFFLOADS)
    nvme_path: str | None = option(None, "A folder on a local disk, for what is offloaded to nvme.")
    zero3_init_flag: bool = option(
        True, "Under zero3, shard the weights while they are loaded, so that no process ever holds all of them."
    )
