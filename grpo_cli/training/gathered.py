"""Whole weights out of sharded ones: to generate with on every rank, and to save.

Under FSDP2 and ZeRO-3 a rank holds a part of every weight, and a forward pass is a collective act: a rank that
generates one token more than the others waits for them for ever. So weights are gathered once, for as long as
anything generates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.fsdp import FSDPModule
from transformers import TrainerCallback
from trl.models import unwrap_model_for_generation

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer


@contextmanager
def policy_for_generation(trainer: RunTrainer) -> Iterator[Any]:
    """Give every rank a policy it may generate with, any number of times and independently of the other ranks.

    Entering and leaving is a collective act: all ranks do it, at the same place.

    Args:
        trainer: whose policy it is.

    Yields:
        The model without what distributed training wraps around it, its whole weights on this rank's device.
    """
    arguments: Any = trainer.args
    place(trainer)
    with (
        unwrap_model_for_generation(
            trainer.model_wrapped,
            trainer.accelerator,
            gather_deepspeed3_params=True,
            gradient_checkpointing_kwargs=arguments.gradient_checkpointing_kwargs,
        ) as model,
        unsharded(model),
        alone(model),
    ):
        yield model


def place(trainer: RunTrainer) -> None:
    """Bring a model to this rank's device that FSDP, ZeRO-1 or ZeRO-2 would bring there when training begins."""
    model: Any = trainer.model
    device = trainer.args.device
    waits = is_fsdp(trainer) or zero_stage(trainer) in (1, 2)
    if waits and trainer.model_wrapped is model and not isinstance(model, FSDPModule):
        model.to(device)
        if is_fsdp(trainer) and trainer.accelerator.state.fsdp_plugin.cpu_ram_efficient_loading:
            for weight in model.state_dict().values():  # only the first process has loaded any
                torch.distributed.broadcast(weight, src=0)


@contextmanager
def unsharded(model: Any) -> Iterator[None]:
    """Gather the weights of a model sharded by FSDP2 once, and keep them until the end; else nothing.

    Args:
        model: its parameters are left as they were found; in between they are whole, in the dtype of computation.
    """
    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    states: list[Any] = [module._get_fsdp_state() for module in parts]
    before = [
        (state._auto_reshard_after_forward, [group.post_forward_mesh_info for group in state._fsdp_param_groups])
        for state in states
    ]
    for module in parts:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module, state, (automatic, meshes) in zip(parts, states, before, strict=True):
            module.reshard()
            state._auto_reshard_after_forward = automatic
            for group, mesh in zip(state._fsdp_param_groups, meshes, strict=True):
                group.post_forward_mesh_info = mesh


@contextmanager
def alone(model: Any) -> Iterator[None]:
    """Let `generate` stop when this rank's own texts have ended.

    Under FSDP2 and ZeRO-3 it goes on until those of all ranks have, and asks them after every token, which is needless
    where the weights are at hand, and a wait without end where the ranks generate different numbers of times.
    """
    before = vars(model).get("generate")
    model.generate = functools.partial(model.generate, synced_gpus=False)
    try:
        yield
    finally:
        del model.generate
        if before is not None:
            model.generate = before


def full_state_dict(trainer: RunTrainer) -> dict[str, torch.Tensor] | None:
    """The policy's whole weights on the CPU of the main process (elsewhere empty); collective.

    Returns:
        None where nothing is sharded, so that the model can be asked itself.
    """
    if not (is_fsdp(trainer) or zero_stage(trainer)):
        return None
    weights: dict[str, torch.Tensor] = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}
    tied = getattr(trainer.accelerator.unwrap_model(trainer.model_wrapped), "all_tied_weights_keys", None) or {}
    # Gathered one by one, tied weights are no longer known to be the same.
    return {name: weight for name, weight in weights.items() if name not in tied}


def is_fsdp(trainer: RunTrainer) -> bool:
    """Whether FSDP shards this run's model."""
    return bool(trainer.is_fsdp_enabled)


def zero_stage(trainer: RunTrainer) -> int:
    """DeepSpeed's ZeRO stage; 0 without DeepSpeed."""
    plugin = trainer.accelerator.state.deepspeed_plugin
    return int(plugin.zero_stage) if plugin else 0


def when_prepared(trainer: RunTrainer, action: Callable[[], Any]) -> None:
    """Do something with the policy before the first step: at once, or under FSDP and DeepSpeed when training begins.

    Those two bring the model to its device, and shard it, only then.
    """
    if is_fsdp(trainer) or zero_stage(trainer):
        trainer.add_callback(_AtBegin(action))
    else:
        action()


class _AtBegin(TrainerCallback):
    """Calls something once, when training begins."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def on_train_begin(self, *positional: Any, **arguments: Any) -> None:
        """The model is wrapped, nothing is trained yet."""
        self.action()
