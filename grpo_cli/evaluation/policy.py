"""What generates the completions of an evaluation in training: the run's own vLLM, or else the policy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from grpo_cli.evaluation.blocks import Sampling
from grpo_cli.evaluation.generate import Engine, TransformersEngine, VllmEngine
from grpo_cli.training.gathered import policy_for_generation

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer


@contextlib.contextmanager
def engine_of(trainer: RunTrainer, sampling: Sampling) -> Iterator[Engine]:
    """The engine of a run.

    A vLLM server, or a vLLM spread over several GPUs, answers to all processes together and not to each for itself;
    there the policy generates, slower and with the same noise.

    Args:
        trainer: whose policy it is.
        sampling: how tokens are drawn.
    """
    vllm = getattr(trainer, "vllm_generation", None) if trainer.use_vllm else None
    if vllm is not None and vllm.mode == "colocate" and vllm.tensor_parallel_size == 1:
        with awake(vllm):
            yield VllmEngine(vllm.llm, trainer.processing_class, trainer.eos_token_ids, sampling)
        return
    arguments: Any = trainer.args
    with policy_for_generation(trainer) as model:
        # Mixed precision computes in half precision whatever the weights are kept in.
        exact = model.dtype == torch.float32 and not (arguments.bf16 or arguments.fp16)
        yield TransformersEngine(model, trainer.processing_class, trainer.eos_token_ids, sampling, exact)


@contextlib.contextmanager
def awake(vllm: Any) -> Iterator[None]:
    """A colocated vLLM with the policy's weights, and asleep again afterwards where it sleeps between generations."""
    vllm.sync_weights()
    if vllm.enable_sleep_mode:
        vllm.llm.wake_up(tags=["kv_cache"])
    try:
        yield
    finally:
        if vllm.enable_sleep_mode:
            vllm.llm.sleep(level=2)
            vllm._llm_weights_sleeping = True
