"""What weights, gradients and optimizer take on one process, whole or shared out among the ranks.

ZeRO by its paper (https://arxiv.org/abs/1910.02054, section 5 and table 1): with mixed precision 2 bytes a weight, 2 a
gradient, and K = 12 of Adam in fp32 (a copy of the weights and two moments); stage 1 divides K by the number of ranks,
stage 2 the gradients too, stage 3 the weights too. FSDP2 divides all of them and keeps the shard in the dtype the model
was loaded in (https://arxiv.org/abs/2304.11277). What is gathered for a moment is whole layers, in the computing dtype.
A 4-bit weight carries 0.5 bits of quantization constants, 0.127 of them when these are quantized too
(https://arxiv.org/abs/2305.14314).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpo_cli.forecast.memory import Setup

# Bytes of optimizer state a trained parameter, by a part of the optimizer's name; AdamW's two moments else.
_STATE = (
    ("8bit", 2.0),
    ("4bit", 1.0),
    ("adafactor", 0.1),
    ("sgd", 0.0),
    ("lion", 4.0),
    ("adagrad", 4.0),
    ("rmsprop", 4.0),
)
_MASTER = 4  # bytes of ZeRO's fp32 copy of a weight
# Elements of DeepSpeed's gradient bucket at stages 1 and 2, of which overlap_comm keeps two.
_BUCKET = 5e8
_BLOCK_BITS = {False: 0.5, True: 0.127}  # by peft.double_quant


@dataclass(frozen=True)
class States:
    """Bytes on one process.

    Attributes:
        weights: the policy, adapter included.
        gradients: of the trained parameters, when all are there.
        buckets: gradients on their way to the other ranks.
        optimizer: the optimizer's state, ZeRO's fp32 weights included.
        reference: the frozen reference model.
        cast: copies in 16 bits that autocast keeps of fp32 weights through a forward pass and its backward pass.
        gathered: weights of other ranks' shards while a layer computes, and the root's, which stay.
        gathered_whole: weights gathered to generate.
        host: of the machine's memory, for what is offloaded to it.
    """

    weights: float
    gradients: float
    buckets: float
    optimizer: float
    reference: float
    cast: float
    gathered: float
    gathered_whole: float
    host: float


def states(setup: Setup) -> States:
    """Work out what stays, and what is gathered, under a way of sharding.

    Args:
        setup: the model and the settings.
    """
    stage = int(setup.sharding.removeprefix("zero")) if setup.sharding.startswith("zero") else 0
    whole = setup.sharding in ("none", "")
    share = setup.shards
    # DeepSpeed holds everything in the computing dtype, with a copy in fp32 beside the optimizer's moments.
    held = setup.compute_bytes if stage else setup.weight_bytes
    weights = _weights(setup, held)
    trained_bytes = held if stage or setup.adapter_rank is None else 4
    gradients = setup.trained * trained_bytes
    optimizer = setup.trained * (_state(setup, 4 if stage else trained_bytes) + (_MASTER if stage else 0))
    reference = setup.model.parameters * held if setup.reference else 0.0
    buckets = gradients if whole and setup.replicas > 1 else 0.0  # DDP sends a second copy
    if stage in (1, 2) and share > 1:
        buckets = 2 * _BUCKET * setup.compute_bytes
    divided = {"weights": stage == 3 or setup.sharding == "fsdp2", "gradients": stage >= 2 or setup.sharding == "fsdp2"}
    if divided["weights"]:
        weights, reference = weights / share, reference / share
    if divided["gradients"]:
        gradients /= share
    if not whole:
        optimizer /= share
    host = 0.0
    if setup.offload_optimizer != "none":
        host += _to_host(setup.offload_optimizer, optimizer + (gradients if divided["gradients"] else 0.0))
        optimizer, gradients = 0.0, 0.0 if divided["gradients"] else gradients
    if setup.offload_param != "none" and divided["weights"]:
        host += _to_host(setup.offload_param, weights)
        weights = 0.0
    gathered = _gathered(setup) if divided["weights"] else 0.0
    # A colocated or remote engine has weights of its own; layers go to it one by one.
    gathers_whole = divided["weights"] and not setup.engine and setup.gathers_to_generate
    cast = setup.model.parameters * setup.compute_bytes if whole and setup.compute_bytes < setup.weight_bytes else 0.0
    return States(
        weights=weights,
        gradients=gradients,
        buckets=buckets,
        optimizer=optimizer,
        reference=reference,
        cast=cast if setup.adapter_rank is None else 0.0,
        gathered=gathered,
        gathered_whole=_weights(setup, held) if gathers_whole else gathered,
        host=host,
    )


def _weights(setup: Setup, held: float) -> float:
    """Bytes of all weights: those of a quantized base packed, its embedding, norms and output in 16 bits."""
    model = setup.model
    adapter = 0 if setup.adapter_rank is None else setup.trained
    if setup.base_bits is None:
        return model.parameters * held + adapter * 4
    bits = setup.base_bits + (_BLOCK_BITS[setup.double_quant] if setup.base_bits == 4 else 0)
    return model.linear * bits / 8 + (model.parameters - model.linear) * 2 + adapter * 4


def _state(setup: Setup, moment_bytes: float) -> float:
    return next((size for name, size in _STATE if name in setup.optimizer), 2 * moment_bytes)


def _gathered(setup: Setup) -> float:
    """Two layers at a time, the second on its way while the first computes, and what belongs to no layer."""
    model = setup.model
    layer, root = model.linear / model.layers, model.parameters - model.linear
    layers = model.layers if setup.keeps_gathered else 2
    return (layers * layer + root) * setup.compute_bytes


def _to_host(device: str, size: float) -> float:
    return size if device == "cpu" else 0.0
