"""A forecast of memory: what stays, and what each phase of a GRPO step adds.

A step has four phases: generation (KV cache), the log-probability pass (old policy and reference, without gradients),
the backward pass (activations), the optimizer step. What stays through all of them is weights, gradients, optimizer
state and the reference model. TRL folds the output projection into the log-probabilities tile by tile, so the logits of
a training pass are never whole. The formulas for activations follow Korthikanti et al.,
https://arxiv.org/abs/2205.05198, for attention that keeps no score matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.forecast.architecture import Architecture
from grpo_cli.forecast.states import States, states

GENERATION, LOGPROBS, BACKWARD, OPTIMIZER = "generation", "log-probabilities", "backward", "optimizer step"
_TILE_TOKENS, _TILE_VOCABULARY = 4096, 32768  # of TRL's output projection, trl/kernels/chunked_logprob.py
_TILES_WITHOUT_TRITON = 8


@dataclass(frozen=True)
class Setup:
    """What decides a run's memory on one process.

    Attributes:
        model: the policy's shape.
        weight_bytes: bytes of a weight held.
        compute_bytes: bytes of an activation (2 under mixed precision).
        micro_batch: completions of one forward and backward pass.
        accumulation: passes per optimizer step.
        generated: completions that this process generates at once.
        prompt: longest prompt, tokens.
        completion: longest completion, tokens.
        checkpointing: whether activations are recomputed.
        reference: whether a reference model of its own is held.
        adapter_rank: rank of LoRA on all linear layers; None where every weight is trained.
        base_bits: bits of a frozen weight under a quantized adapter; None where it is not quantized.
        optimizer: `training.optim`.
        eager: whether attention keeps its score matrix.
        fused: whether log-probabilities are computed in one Triton kernel (on a GPU).
        double_quant: whether the constants of a 4-bit quantization are quantized too.
        sharding: none, fsdp2, zero1, zero2 or zero3 (`launch.sharding`).
        shards: processes that share out what the sharding divides.
        replicas: processes that average their gradients.
        offload_optimizer: where gradients and optimizer state lie: none (the GPU), cpu or nvme.
        offload_param: where the shard of the weights lies, likewise.
        keeps_gathered: whether gathered layers stay until the backward pass (`reshard_after_forward=false`).
        gathers_to_generate: whether a sharded model is gathered whole to generate (`ds3_gather_for_generation`).
        engine: whether another engine than this model generates (vLLM, here or in a server).
        vllm: bytes a colocated vLLM reserves.
        vllm_sleeps: whether it gives them back while the model trains.
        can_shard: whether `launch.sharding` is there to be set.
        on_cpu: whether it is a process's memory and not a GPU's.
        base: bytes that the process has before any tensor (interpreter, libraries, CUDA context).
    """

    model: Architecture
    weight_bytes: float = 4
    compute_bytes: float = 4
    micro_batch: int = 8
    accumulation: int = 1
    generated: int = 8
    prompt: int = 256
    completion: int = 512
    checkpointing: bool = True
    reference: bool = False
    adapter_rank: int | None = None
    base_bits: int | None = None
    optimizer: str = "adamw_torch_fused"
    eager: bool = False
    fused: bool = False
    double_quant: bool = True
    sharding: str = "none"
    shards: int = 1
    replicas: int = 1
    offload_optimizer: str = "none"
    offload_param: str = "none"
    keeps_gathered: bool = False
    gathers_to_generate: bool = True
    engine: bool = False
    vllm: float = 0.0
    vllm_sleeps: bool = False
    can_shard: bool = False
    on_cpu: bool = False
    base: float = 0.0

    @property
    def trained(self) -> int:
        """Parameters that get gradients."""
        return self.model.parameters if self.adapter_rank is None else self.adapter_rank * self.model.adapter_widths


@dataclass(frozen=True)
class Forecast:
    """Bytes on one process: of its GPU, or of the machine's memory where it computes on the CPU.

    Attributes:
        states: weights, gradients, optimizer, reference, and what is gathered of other ranks' shards.
        activations: kept for the backward pass of one micro-batch.
        kv_cache: of the completions generated at once, where this model generates.
        vllm: what a colocated vLLM reserves.
        vllm_sleeps: whether it gives that back while the model trains.
        logits: of one position of all completions generated at once.
        tile: the tile of logits of a training pass, with what its backward pass computes beside it.
        working: one layer at work, kept by nobody.
        held: whether gradients of earlier passes are there when a backward pass begins.
        base: the process itself.
    """

    states: States
    activations: float
    kv_cache: float
    vllm: float
    vllm_sleeps: bool
    logits: float
    tile: float
    working: float
    held: bool
    base: float

    @property
    def standing(self) -> float:
        """What is there in every phase once the first optimizer step is done."""
        kept = self.states.weights + self.states.optimizer + self.states.reference
        return self.base + kept + (0.0 if self.vllm_sleeps else self.vllm)

    @property
    def phases(self) -> dict[str, float]:
        """Bytes at the peak of each phase."""
        part, gradients = self.states, self.states.gradients + self.states.buckets
        computing = self.standing + part.gathered
        # It begins at the output projection, with all activations kept, and ends with all gradients there.
        begins = (part.gradients if self.held else 0.0) + part.cast + self.activations + max(self.tile, self.working)
        woken = self.vllm if self.vllm_sleeps else 0.0
        return {
            GENERATION: self.standing + woken + part.gathered_whole + self.kv_cache + self.logits,
            LOGPROBS: computing + part.cast + self.working + self.tile / 2,
            BACKWARD: computing + max(begins, gradients + self.working),
            OPTIMIZER: self.standing + part.gradients,
        }

    @property
    def parts(self) -> dict[str, float]:
        """Bytes by what they are for."""
        part = self.states
        return {
            "weights": part.weights,
            "gradients": part.gradients + part.buckets,
            "optimizer": part.optimizer,
            "reference": part.reference,
            "16-bit copies": part.cast,
            "gathered": max(part.gathered, part.gathered_whole),
            "activations": self.activations,
            "KV cache": self.kv_cache,
            "vLLM": self.vllm,
            "logits": max(self.logits, self.tile),
            "the process itself": self.base,
        }

    @property
    def host(self) -> float:
        """Bytes of the machine's memory that this process takes for what is offloaded."""
        return self.states.host

    @property
    def peak_phase(self) -> str:
        """The phase that needs most."""
        return max(self.phases, key=self.phases.__getitem__)

    @property
    def peak(self) -> float:
        """Bytes needed at the worst moment."""
        return max(self.phases.values())

    def as_dict(self) -> dict[str, object]:
        """For `--json`, in bytes."""
        parts = {name.replace(" ", "_").lower(): round(value) for name, value in self.parts.items()}
        phases = {name: round(value) for name, value in self.phases.items()}
        return {
            "parts": parts,
            "phases": phases,
            "peak_phase": self.peak_phase,
            "peak_bytes": round(self.peak),
            "host_bytes": round(self.host),
        }


def forecast(setup: Setup) -> Forecast:
    """Forecast the memory of one process.

    Args:
        setup: the model and the settings.

    Returns:
        Bytes by part and by phase.
    """
    length = setup.prompt + setup.completion
    tokens = setup.micro_batch * length
    generates = 0 if setup.engine else setup.generated
    return Forecast(
        states=states(setup),
        activations=_activations(setup, tokens, length),
        kv_cache=0.0 if setup.engine else _kv_cache(setup),
        vllm=setup.vllm,
        vllm_sleeps=setup.vllm_sleeps,
        logits=generates * setup.model.vocab * (setup.compute_bytes + 4),
        tile=_tile(setup, tokens),
        working=_one_layer(setup, tokens, length),
        held=setup.accumulation > 1,
        base=setup.base,
    )


def _activations(setup: Setup, tokens: int, length: int) -> float:
    """What the backward pass of a micro-batch keeps: all, or the layers' inputs and the layer being recomputed."""
    one = _one_layer(setup, tokens, length)
    if not setup.checkpointing:
        return one * setup.model.layers
    return tokens * setup.model.hidden * setup.compute_bytes * setup.model.layers + one


def _one_layer(setup: Setup, tokens: int, length: int) -> float:
    """Tensors that one decoder layer keeps: norms, attention, MLP."""
    model = setup.model
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    # Each of the two norms keeps its input, the normalized input and its output; attention keeps queries, output, and
    # keys and values once for every head.
    attention = 4 * queries + (2 * (queries + keys) if model.qk_norm else 0)
    mlp = model.kept_mlp * model.intermediate * model.active_experts
    kept = tokens * (6 * model.hidden + attention + mlp) * setup.compute_bytes
    if setup.eager:
        # The softmax of the scores in fp32, and in the working precision before and after.
        kept += setup.micro_batch * model.heads * length * length * max(4.0, 2 * setup.compute_bytes)
    return kept


def _kv_cache(setup: Setup) -> float:
    """Keys and values of every completion that is generated at once, at full length."""
    model = setup.model
    length = setup.prompt + setup.completion
    cache = 2 * model.layers * model.kv_heads * model.head_dim * length * setup.generated * setup.compute_bytes
    # A growing cache is copied as it grows: one layer's keys are there twice.
    return cache * (1 + 1 / (2 * model.layers))


def _tile(setup: Setup, tokens: int) -> float:
    """One tile of logits (trl/kernels/chunked_logprob.py), and the gradient of the whole output projection in fp32.

    Without Triton the tile's softmax, its logarithm and their gradients are tensors of their own: eight in all.
    """
    model = setup.model
    tile = min(tokens, _TILE_TOKENS) * min(model.vocab, _TILE_VOCABULARY)
    size = tile * setup.compute_bytes if setup.fused else tile * 4 * _TILES_WITHOUT_TRITON
    return size + (model.vocab * model.hidden * 4 if setup.adapter_rank is None else 0)
