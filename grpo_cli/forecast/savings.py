"""Which override saves how much memory: differences of forecasts, with what each costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from grpo_cli.forecast.memory import Setup, forecast


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
    if setup.replicas > 1 and not setup.on_cpu:
        found |= _sharded(setup)
    if setup.sharding.startswith("zero") and setup.offload_optimizer == "none":
        found["launch.deepspeed.offload_optimizer_device=cpu"] = (
            lambda s: replace(s, offload_optimizer="cpu"),
            "the optimizer's step is computed on the CPU, from the machine's memory",
        )
    if setup.sharding == "zero3" and setup.offload_param == "none":
        found["launch.deepspeed.offload_param_device=cpu"] = (
            lambda s: replace(s, offload_param="cpu"),
            "weights travel from the machine's memory at every pass",
        )
    if setup.vllm and not setup.vllm_sleeps:
        found["training.vllm_enable_sleep_mode=true"] = (
            lambda s: replace(s, vllm_sleeps=True),
            "vLLM is loaded anew for every generation",
        )
    if setup.eager:
        found["model.attn_implementation=sdpa"] = (lambda s: replace(s, eager=False), "nothing")
    return found


def _sharded(setup: Setup) -> dict[str, tuple[Callable[[Setup], Setup], str]]:
    """The ways of sharding that divide more than the present one."""
    order = ("none", "zero1", "zero2", "fsdp2", "zero3")
    costs = {
        "zero2": "gradients and optimizer shared out; needs deepspeed",
        "fsdp2": "weights too; they are gathered layer by layer",
        "zero3": "weights too; needs deepspeed",
    }
    now = order.index(setup.sharding) if setup.sharding in order else len(order)

    def sharded(name: str) -> Callable[[Setup], Setup]:
        return lambda s: replace(s, sharding=name, shards=s.replicas)

    return {
        f"launch.sharding={name}": (sharded(name), cost)
        for name, cost in costs.items()
        if order.index(name) > now and setup.can_shard
    }
