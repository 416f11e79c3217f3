"""FSDP2 on CPU ranks, for tests and for trying a configuration before GPUs are rented.

torch shards over gloo as it does over NCCL, but accelerate takes FSDP into account for ranks on accelerators only and
would run plain DDP without a word. Telling it so is all there is to it.
"""

from __future__ import annotations

import os

from accelerate import PartialState
from accelerate.utils import DistributedType


def let_fsdp_run_on_cpu() -> None:
    """Make accelerate's `Accelerator`, built next, shard CPU ranks where the launch asked for FSDP."""
    state = PartialState()
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and state.distributed_type == DistributedType.MULTI_CPU:
        # From any of the distributed types of accelerators accelerate goes on to FSDP; the device stays the CPU.
        state.distributed_type = DistributedType.MULTI_GPU
