"""A forecast of memory: what stays, what each phase of a GRPO step adds, and which override saves how much.

A step has four phases: generation (KV cache), the log-probability pass (old policy and reference, without gradients),
the backward pass (activations), the optimizer step. What stays through all of them is weights, gradients, optimizer
state and the reference model. TRL folds the output projection into the log-probabilities tile by tile, so the logits of
a training pass are never whole. The formulas for activations follow Korthikanti et al.,
https://arxiv.org/abs/2205.05198, for attention that keeps no score matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from grpo_cli.forecast.architecture import Architecture

GENERATION, LOGPROBS, BACKWARD, OPTIMIZER = "generation", "log-probabilities", "backward", "optimizer step"
PHASES = (GENERATION, LOGPROBS, BACKWARD, OPTIMIZER)
_TILE_TOKENS, _TILE_VOCABULARY = 4096, 32768  # of TRL's output projection, trl/kernels/chunked_logprob.py
_TILES_WITHOUT_TRITON = 8
# Bytes of optimizer state a trained parameter, by a part of the optimizer's name; AdamW's two moments in fp32 else.
_STATE = (
    ("8bit", 2.0),
    ("4bit", 1.0),
    ("adafactor", 0.1),
    ("sgd", 0.0),
    ("lion", 4.0),
    ("adagrad", 4.0),
    ("rmsprop", 4.0),
)


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
        shards: processes that weights, gradients and optimizer state are shared by (FSDP, ZeRO-3).
        replicas: processes that each hold them whole and average gradients (DDP).
        vllm: bytes a colocated vLLM reserves.
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
    shards: int = 1
    replicas: int = 1
    vllm: float = 0.0
    base: float = 0.0

    @property
    def trained(self) -> int:
        """Parameters that get gradients."""
        return self.model.parameters if self.adapter_rank is None else self.adapter_rank * self.model.adapter_widths


@dataclass(frozen=True)
class Forecast:
    """Bytes on one process.

    Attributes:
        weights: the policy, adapter included.
        gradients: of the trained parameters.
        optimizer: the optimizer's state.
        reference: the frozen reference model.
        activations: kept for the backward pass of one micro-batch.
        kv_cache: of the completions generated at once (what a colocated vLLM reserves, where there is one).
        logits: of one position of all completions generated at once.
        tile: the tile of logits of a training pass, with what its backward pass computes beside it.
        working: one layer at work, kept by nobody.
        held_gradients: those that are there when a backward pass begins (from the second pass of a step on).
        base: the process itself.
    """

    weights: float
    gradients: float
    optimizer: float
    reference: float
    activations: float
    kv_cache: float
    logits: float
    tile: float
    working: float
    held_gradients: float
    base: float

    @property
    def standing(self) -> float:
        """What is there in every phase once the first optimizer step is done."""
        return self.base + self.weights + self.optimizer + self.reference

    @property
    def phases(self) -> dict[str, float]:
        """Bytes at the peak of each phase."""
        return {
            GENERATION: self.standing + self.kv_cache + self.logits,
            LOGPROBS: self.standing + self.working + self.tile / 2,
            # It begins at the output projection, with all activations kept, and ends with all gradients there.
            BACKWARD: self.standing
            + max(self.held_gradients + self.activations + max(self.tile, self.working), self.gradients + self.working),
            OPTIMIZER: self.standing + self.gradients,
        }

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
        parts = {field.name: round(getattr(self, field.name)) for field in fields(self)}
        phases = {name: round(value) for name, value in self.phases.items()}
        return {"parts": parts, "phases": phases, "peak_phase": self.peak_phase, "peak_bytes": round(self.peak)}


def forecast(setup: Setup) -> Forecast:
    """Forecast the memory of one process.

    Args:
        setup: the model and the settings.

    Returns:
        Bytes by part and by phase.
    """
    model, trained = setup.model, setup.trained
    adapter = 0 if setup.adapter_rank is None else trained
    frozen_bytes = setup.weight_bytes if setup.base_bits is None else setup.base_bits / 8
    # A quantized model keeps embedding, norms and output in 16 bits.
    plain = model.parameters - model.linear if setup.base_bits else 0
    weights = (model.parameters - plain) * frozen_bytes + plain * 2 + adapter * 4
    trained_bytes = 4 if setup.adapter_rank is not None else setup.weight_bytes
    gradients = trained * trained_bytes
    buckets = gradients if setup.replicas > 1 else 0  # DDP keeps a second copy to send
    state = next((size for name, size in _STATE if name in setup.optimizer), 2 * trained_bytes)
    length = setup.prompt + setup.completion
    tokens = setup.micro_batch * length
    return Forecast(
        weights=weights / setup.shards,
        gradients=(gradients + buckets) / setup.shards,
        optimizer=trained * state / setup.shards,
        reference=model.parameters * setup.weight_bytes / setup.shards if setup.reference else 0.0,
        activations=_activations(setup, tokens, length),
        kv_cache=setup.vllm or _kv_cache(setup),
        logits=setup.generated * model.vocab * (setup.compute_bytes + 4),
        tile=_tile(setup, tokens),
        working=_one_layer(setup, tokens, length),
        held_gradients=gradients / setup.shards if setup.accumulation > 1 else 0.0,
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


@dataclass(frozen=True)
class Saving:
    """An override and what it saves at the peak.

    Attributes:
        override: to paste.
        bytes: less at the worst moment.
        costs: what it costs.
    """

    override: str
    bytes: float
    costs: str


def savings(setup: Setup, overrides: dict[str, tuple[Callable[[Setup], Setup], str]] | None = None) -> list[Saving]:
    """What would save memory, the largest saving first.

    Args:
        setup: the run.
        overrides: override → (how it changes the setup, what it costs); the usual ones by default.

    Returns:
        Those that save more than a hundredth of the peak.
    """
    now = forecast(setup).peak
    found = [
        Saving(override, now - forecast(change(setup)).peak, costs)
        for override, (change, costs) in (overrides or _usual(setup)).items()
    ]
    return sorted((s for s in found if s.bytes > 0.01 * now), key=lambda s: -s.bytes)


def _usual(setup: Setup) -> dict[str, tuple[Callable[[Setup], Setup], str]]:
    """The overrides that may save memory and are not taken already."""
    found: dict[str, tuple[Callable[[Setup], Setup], str]] = {}
    if setup.adapter_rank is None:
        half = min(setup.weight_bytes, setup.compute_bytes)
        found["peft=lora"] = (
            lambda s: replace(s, adapter_rank=16, reference=False, weight_bytes=half),
            "an adapter is trained, not every weight",
        )
        if setup.optimizer.startswith("adamw_torch"):
            found["training.optim=adamw_8bit"] = (
                lambda s: replace(s, optimizer="adamw_8bit"),
                "optimizer state in 8 bits; needs bitsandbytes",
            )
    if setup.reference:
        found["training.beta=0"] = (lambda s: replace(s, reference=False), "no KL term")
    if not setup.checkpointing:
        found["training.gradient_checkpointing=true"] = (
            lambda s: replace(s, checkpointing=True),
            "about a third more time in the backward pass",
        )
    if setup.completion > 64:
        short = setup.completion // 2
        found[f"training.max_completion_length={short}"] = (
            lambda s: replace(s, completion=short),
            "longer completions are cut",
        )
    if setup.micro_batch > 1 and setup.micro_batch % 2 == 0:
        half_batch, more = setup.micro_batch // 2, setup.accumulation * 2
        found[f"training.per_device_train_batch_size={half_batch} training.gradient_accumulation_steps={more}"] = (
            lambda s: replace(s, micro_batch=half_batch, accumulation=more),
            "the same step in twice as many passes",
        )
    if setup.eager:
        found["model.attn_implementation=sdpa"] = (lambda s: replace(s, eager=False), "nothing")
    return found
